/** The hardware address of six bytes at `at`, as in `02:00:5e:10:00:01`. Not for the hot path. */
export function formatMac(dv: DataView, at: number): string {
  return Array.from({ length: 6 }, (_, i) =>
    dv
      .getUint8(at + i)
      .toString(16)
      .padStart(2, "0"),
  ).join(":");
}

/** Bytes after which the pattern repeats: a prime, so that no power-of-two mistake goes unnoticed. */
export const PATTERN_PERIOD_BYTES = 251;

/** The deterministic body of the check and http applications: byte i is i % 251. */
export function patternBytes(bytes: number): Buffer {
  const pattern = Buffer.allocUnsafeSlow(bytes);
  for (let i = 0; i < bytes; i++) pattern[i] = i % PATTERN_PERIOD_BYTES;
  return pattern;
}

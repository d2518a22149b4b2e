import type * as PromClient from "prom-client";
import type { Host } from "../../../nodes/host.js";
import { METRICS, type MetricForm } from "./metric-table.js";

/** Text in Prometheus' format. */
export interface MetricsText {
  readonly contentType: string;
  /** Reads all values. */
  read(): Promise<string>;
}

/** Registers one metric; its values are read when somebody asks, never before. */
function register(prom: typeof PromClient, registry: PromClient.Registry, host: Host, form: MetricForm): void {
  const { name, help, labels: labelNames, samples } = form;
  const options = { name, help, labelNames: [...labelNames], registers: [registry] };
  if (form.type === "gauge") {
    new prom.Gauge({
      ...options,
      collect() {
        this.reset();
        for (const [labels, value] of samples(host)) this.set(labels, value);
      },
    });
    return;
  }
  new prom.Counter({
    ...options,
    collect() {
      // The stack counts; Prometheus knows that counters may begin anew, as after `clear errors`.
      this.reset();
      for (const [labels, value] of samples(host)) this.inc(labels, value);
    },
  });
}

/** The metrics of a stack. prom-client is loaded only here: most stacks have no endpoint. */
export async function makeMetrics(host: Host): Promise<MetricsText> {
  const prom = await import("prom-client");
  const registry = new prom.Registry();
  for (const form of METRICS) register(prom, registry, host, form);
  return { contentType: registry.contentType, read: () => registry.metrics() };
}

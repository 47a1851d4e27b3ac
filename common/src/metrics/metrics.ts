import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** A process's measurements, served at `/metrics` in Prometheus' text format. */
export interface Metrics {
  readonly registry: Registry;
  /** A number that only grows. Asking again for the same name gives the same counter. */
  counter<L extends string = never>(options: { name: string; help: string; labelNames?: readonly L[] }): Counter<L>;
  /** A number that goes up and down; `collect` is called when it is read. */
  gauge<L extends string = never>(options: {
    name: string;
    help: string;
    labelNames?: readonly L[];
    collect?: (this: Gauge<L>) => void | Promise<void>;
  }): Gauge<L>;
  /** A distribution; `buckets` are upper bounds in the unit that the name says. */
  histogram<L extends string = never>(options: {
    name: string;
    help: string;
    labelNames?: readonly L[];
    buckets?: number[];
  }): Histogram<L>;
}

/** Makes a registry with Node's default process measurements; every series carries process name and instance. */
export function createMetrics({ name, instanceId }: { name: string; instanceId: string }): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ process: name, instance: instanceId });
  collectDefaultMetrics({ register: registry });
  const known = <M>(metric: string): M | undefined => registry.getSingleMetric(metric) as M | undefined;
  return {
    registry,
    counter: (options) => known(options.name) ?? new Counter({ ...options, registers: [registry] }),
    gauge: (options) => known(options.name) ?? new Gauge({ ...options, registers: [registry] }),
    histogram: (options) => known(options.name) ?? new Histogram({ ...options, registers: [registry] }),
  };
}

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Sets the counts of {@link Metrics.total}. */
export interface TotalSetter<L extends string> {
  set(count: number): void;
  set(labels: Partial<Record<L, string>>, count: number): void;
}

/** A process's measurements, served at `/metrics` in Prometheus' text format. */
export interface Metrics {
  readonly registry: Registry;
  /** A number that only grows. Asking again for the same name gives the same counter. */
  counter<L extends string = never>(options: { name: string; help: string; labelNames?: readonly L[] }): Counter<L>;
  /** A number that only grows and is counted elsewhere; `collect` sets it when it is read. */
  total<L extends string = never>(options: {
    name: string;
    help: string;
    labelNames?: readonly L[];
    collect: (this: TotalSetter<L>) => void;
  }): void;
  /** A number that goes up and down; `collect` is called when it is read. */
  gauge<L extends string = never>(options: {
    name: string;
    help: string;
    labelNames?: readonly L[];
    collect?: (this: Gauge<L>) => void | Promise<void>;
  }): Gauge<L>;
  /** A number that is kept elsewhere: one that only grows when its name ends in `_total`. */
  number(options: { name: string; help: string; read: () => number }): void;
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
  const metrics: Metrics = {
    registry,
    counter: (options) => known(options.name) ?? new Counter({ ...options, registers: [registry] }),
    total: ({ collect, ...options }) => {
      new Counter({
        ...options,
        registers: [registry],
        collect() {
          this.reset();
          const setter = { set: (...given: Parameters<typeof this.inc>) => this.inc(...given) };
          collect.call(setter as TotalSetter<string>);
        },
      });
    },
    gauge: (options) => known(options.name) ?? new Gauge({ ...options, registers: [registry] }),
    number({ name, help, read }) {
      const collect = function (this: { set(value: number): void }): void {
        this.set(read());
      };
      if (name.endsWith('_total')) metrics.total({ name, help, collect });
      else metrics.gauge({ name, help, collect });
    },
    histogram: (options) => known(options.name) ?? new Histogram({ ...options, registers: [registry] }),
  };
  return metrics;
}

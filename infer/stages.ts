import type { Stages } from './job.js'

/** Adds up where a job's time goes. */
export interface Stopwatch {
  readonly stages: Stages
  during<T>(stage: keyof Stages, work: () => Promise<T>): Promise<T>
}

export function createStopwatch(): Stopwatch {
  const stages: Stages = { queue: 0, decode: 0, upscale: 0, encode: 0 }
  return {
    stages,
    async during(stage, work) {
      const begun = performance.now()
      try {
        return await work()
      } finally {
        stages[stage] += performance.now() - begun
      }
    },
  }
}

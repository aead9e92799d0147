import { useEngine } from '../nets/engine.js'
import { listenForStop } from '../stop.js'
import { openImages } from './images.js'
import { train } from './loop.js'
import { terminalReport } from './progress-line.js'
import { makeRecipe } from './recipes/index.js'
import { openRun, saveConfig } from './run-folder.js'
import { warmStart } from './warm-start.js'

/** What `uprez train` is asked for. */
export interface TrainRequest {
  preset: string
  /** Options by their full names. */
  overrides: Record<string, unknown>
  folder: string
  resume: boolean
  /** Milliseconds after which it stops as after Ctrl-C. */
  timeLimit?: number | undefined
}

/** Exit code of a run that its time limit has stopped: not done, nothing wrong, to be resumed. */
const TIME_IS_UP = 3

/**
 * The `train` command: opens the run folder, finds the images, starts the engine and trains. The first Ctrl-C, or the
 * time limit, finishes the step and writes a checkpoint; the second Ctrl-C ends at once.
 * @returns the exit code: 0 done, 3 stopped by the time limit, 130 or 143 interrupted
 */
export async function runTraining({ preset, overrides, folder, resume: resumeAsked, timeLimit }: TrainRequest): Promise<number> {
  const report = terminalReport()
  const stop = listenForStop(() => report.say('stopping after this step; once more to stop at once'))
  const signal = withLimit(stop.signal, timeLimit)

  const { config, resume, release } = await openRun(folder, preset, overrides, resumeAsked, report.say)
  try {
    const images = await openImages(config, report)
    const tf = await useEngine(config.engine)
    const recipe = await makeRecipe(tf, config)
    if (!resume) await warmStart(tf, config, recipe, report.say)
    await saveConfig(folder, config)
    report.say(`training ${config.preset} on ${config.engine}, run folder ${folder}`)
    const steps = await train({ tf, config, recipe, images, folder, resume, report, signal })
    if (steps < config.schedule.steps) {
      const why = stop.exitCode === undefined ? 'the time is up: ' : ''
      report.say(`${why}stopped after step ${steps}; the same command with --resume goes on`)
      return stop.exitCode ?? TIME_IS_UP
    }
    report.say(`done: ${steps} steps; next: uprez export ${folder} -o models/NAME`)
    return 0
  } finally {
    await release()
  }
}

/** Aborts at the first of both. (Node 20 loses an `AbortSignal.any` of an `AbortSignal.timeout` to the garbage collector.) */
function withLimit(stop: AbortSignal, milliseconds: number | undefined): AbortSignal {
  if (milliseconds === undefined) return stop
  const controller = new AbortController()
  const abort = () => controller.abort()
  stop.addEventListener('abort', abort)
  setTimeout(abort, milliseconds).unref()
  return controller.signal
}

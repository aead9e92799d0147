import { useEngine } from '../nets/engine.js'
import { listenForStop } from '../stop.js'
import { openImages } from './images.js'
import { train } from './loop.js'
import { terminalReport } from './progress-line.js'
import { pixelRecipe } from './recipe.js'
import { openRun, saveConfig } from './run-folder.js'

/**
 * The `train` command: opens the run folder, finds the images, starts the engine and trains. The first Ctrl-C finishes
 * the step and writes a checkpoint, the second ends at once.
 * @returns the exit code: 0 done, 130 or 143 interrupted
 */
export async function runTraining(
  preset: string,
  overrides: Record<string, unknown>,
  folder: string,
  resumeAsked: boolean,
): Promise<number> {
  const report = terminalReport()
  const stop = listenForStop(() => report.say('stopping after this step; once more to stop at once'))

  const { config, resume } = await openRun(folder, preset, overrides, resumeAsked, report.say)
  const images = await openImages(config, report)
  const tf = await useEngine(config.engine)
  await saveConfig(folder, config)
  report.say(`training ${config.preset} on ${config.engine}, run folder ${folder}`)
  const recipe = pixelRecipe(tf, config)
  const steps = await train({ tf, config, recipe, images, folder, resume, report, signal: stop.signal })
  if (steps < config.schedule.steps) {
    report.say(`stopped after step ${steps}; the same command with --resume goes on`)
    return stop.exitCode!
  }
  report.say(`done: ${steps} steps; next: uprez export ${folder} -o models/NAME`)
  return 0
}

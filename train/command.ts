import { resolve } from 'node:path'
import type { Command } from 'commander'
import { UprezError } from '../errors.js'
import type { Config } from './config.js'
import { parseDuration } from './duration.js'
import { PRESETS } from './presets.js'

interface TrainOptions {
  preset?: string
  opt?: string
  data?: string[]
  output?: string
  resume?: boolean
  from?: string
  fromCritic?: string
  network?: string
  loss?: string
  engine?: string
  steps?: string
  seed?: string
  timeLimit?: string
  set: string[]
  printConfig?: boolean
  options?: boolean
  preview?: string
}

const presets = Object.keys(PRESETS).join(', ')

/** `uprez train`: trains a preset on folders of images into a run folder, and goes on after an interruption. */
export function addTrainCommand(program: Command): void {
  program
    .command('train')
    .description('train a generator on folders of images')
    .option('--preset <name>', `what to train: ${presets}`)
    .option('--opt <file>', 'option file: JSON as --print-config prints it; only what differs from its preset')
    .option('--data <folders...>', 'folders of images, searched recursively')
    .option('-o, --output <folder>', 'the run folder: configuration, checkpoints, TensorBoard events, samples')
    .option('--resume', 'go on with the run in that folder; options not given stay as it was begun')
    .option('--from <model>', 'begin with the weights of a model or a run')
    .option('--from-critic <run>', 'begin with the critic of a run')
    .option('--network <file>', 'train a network of your own: an ES module, see docs/training.md')
    .option('--loss <file>', 'add a loss of your own: an ES module, see docs/training.md')
    .option('--engine <name>', 'tensorflow (native), webgpu, wasm or cpu; default: the fastest that works here')
    .option('--steps <number>', 'steps of the whole schedule')
    .option('--seed <number>', 'seed of weights and samples')
    .option('--time-limit <duration>', 'stop in good order after 45s, 90m or 1h30m; --resume goes on')
    .option('--set <name=value...>', 'any other option, for example losses.gan.weight=0.005', collect, [])
    .option('--print-config', 'print every option with its value, and stop')
    .option('--options', 'print what every option means, and stop')
    .option('--preview <file>', 'write a picture of what the network will see (PNG), and stop')
    .action(async (options: TrainOptions) => {
      const { allOptions, joinOverrides, NO_PRESET, override, parseOverride, readOptionFile, resolveConfig } = await import('./config.js')
      if (options.options) {
        const { optionsTable } = await import('./options.js')
        return console.log(optionsTable(allOptions()))
      }
      const file = options.opt ? await readOptionFile(options.opt) : { preset: undefined, overrides: {} }
      const begun = await begunConfig(options)
      const preset = options.preset ?? file.preset ?? begun?.preset ?? (options.opt ? NO_PRESET : undefined)
      if (preset === undefined) missing('--preset', 'names what to train', presets)
      const sets = options.set.map(text => Object.fromEntries([parseOverride(text)]))
      const overrides = joinOverrides([file.overrides, ...sets, shortcuts(options)])
      const config = begun ? override({ ...begun, preset }, overrides) : resolveConfig(preset, overrides)
      if (options.printConfig) return console.log(JSON.stringify(config, null, 2))
      const noData = config.data.folders.length === 0 && config.data.pairs.length === 0
      if (noData && !options.resume) missing('--data', 'names the images', 'one or more folders')
      if (options.preview) {
        const { writePreview } = await import('./preview.js')
        return writePreview(config, options.preview)
      }
      const folder = options.output ?? missing('-o', 'names the run folder', 'a folder')
      const { runTraining } = await import('./run.js')
      process.exitCode = await runTraining({
        preset,
        overrides,
        folder,
        resume: options.resume ?? false,
        timeLimit: options.timeLimit === undefined ? undefined : parseDuration(options.timeLimit, '--time-limit'),
      })
      // Native TensorFlow's threads would keep the process.
      process.exit()
    })
}

/** The options that have a short way of their own. */
function shortcuts(options: TrainOptions): Record<string, unknown> {
  const { data, from, fromCritic, network, loss, engine, steps, seed } = options
  const given: Record<string, unknown> = {
    'data.folders': data,
    from,
    fromCritic,
    network: network && { kind: 'module', path: resolve(network) },
    'losses.module.path': loss && resolve(loss),
    engine,
    'schedule.steps': steps === undefined ? undefined : Number(steps),
    seed: seed === undefined ? undefined : Number(seed),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** What a run that goes on was begun with. */
async function begunConfig({ resume, output }: TrainOptions): Promise<Config | undefined> {
  if (!resume || output === undefined) return undefined
  const { readConfig } = await import('./run-folder.js')
  return readConfig(output)
}

function missing(option: string, does: string, expected: string): never {
  throw new UprezError('invalid-option', `${option} ${does}`, { param: option, expected })
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value]
}

/** `uprez report RUN` */
export function addReportCommand(program: Command): void {
  program
    .command('report')
    .description('write a training run as one HTML page: curves, samples, settings')
    .argument('<run>', 'the run folder; the run may be going on')
    .option('-o, --output <file>', 'where to write it (default: report.html in the run folder)')
    .action(async (run: string, { output }: { output?: string }) => {
      const { writeReport } = await import('./report.js')
      console.log(await writeReport(run, output))
    })
}

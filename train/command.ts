import type { Command } from 'commander'
import { UprezError } from '../errors.js'
import { PRESETS } from './presets.js'

interface TrainOptions {
  preset: string
  data?: string[]
  output?: string
  resume?: boolean
  engine?: string
  steps?: string
  seed?: string
  set: string[]
  printConfig?: boolean
}

/** `uprez train`: trains a preset on folders of images into a run folder, and goes on after an interruption. */
export function addTrainCommand(program: Command): void {
  program
    .command('train')
    .description('train a generator on a folder of images')
    .requiredOption('--preset <name>', `what to train: ${Object.keys(PRESETS).join(', ')}`)
    .option('--data <folders...>', 'folders of images, searched recursively')
    .option('-o, --output <folder>', 'the run folder: configuration, checkpoints, TensorBoard events, samples')
    .option('--resume', 'go on with the run in that folder; options not given stay as it was begun')
    .option('--engine <name>', 'tensorflow (native), wasm or cpu; default: native where it is set up, else wasm')
    .option('--steps <number>', 'steps of the whole schedule')
    .option('--seed <number>', 'seed of weights and samples')
    .option('--set <name=value...>', 'any other option, for example losses.pixel.luma=0.5', collect, [])
    .option('--print-config', 'print every option with its value, and stop')
    .action(async (options: TrainOptions) => {
      const { parseOverride, resolveConfig } = await import('./config.js')
      const overrides = Object.fromEntries(options.set.map(parseOverride))
      if (options.steps !== undefined) overrides['schedule.steps'] = Number(options.steps)
      if (options.seed !== undefined) overrides.seed = Number(options.seed)
      if (options.engine !== undefined) overrides.engine = options.engine
      if (options.data) overrides['data.folders'] = options.data
      const config = resolveConfig(options.preset, overrides)
      if (options.printConfig) return console.log(JSON.stringify(config, null, 2))
      if (!options.output) throw new UprezError('invalid-option', '-o names the run folder', { param: '-o', expected: 'a folder' })
      if (config.data.folders.length === 0 && !options.resume) {
        throw new UprezError('invalid-option', '--data names the folder of images', { param: '--data', expected: 'one or more folders' })
      }
      const { runTraining } = await import('./run.js')
      process.exitCode = await runTraining(options.preset, overrides, options.output, options.resume ?? false)
      // Native TensorFlow's threads would keep the process.
      process.exit()
    })
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value]
}

import { type Command, Option } from 'commander'
import type { UpscaleCard } from '../models/card.js'

/** `uprez export RUN -o DIR` */
export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('write a trained network as ONNX with its card, compared with TensorFlow.js')
    .argument('<run>', 'a training run, or a model folder with weights/')
    .requiredOption('-o, --output <dir>', 'model folder to write, such as models/my-x4')
    .option('--id <id>', 'name of the model (default: the name of the output folder)')
    .option('--title <text>', 'title on the card')
    .option('--purpose <text>', 'what the model is for, in a sentence')
    .option('--licence <name>', 'licence of the weights')
    .addOption(new Option('--engine <name>', 'TensorFlow.js engine to compare with').choices(['tensorflow', 'wasm', 'cpu']).default('wasm'))
    .option('--json', 'print the card instead of the summary')
    .action(async (run: string, { json, ...options }: Options) => {
      const { exportRun } = await import('./export.js')
      const { dir, card } = await exportRun({ run, ...options, say: line => console.error(line) })
      if (json) console.log(JSON.stringify(card, null, 2))
      else for (const line of summary(dir, card)) console.log(line)
    })
}

interface Options {
  output: string
  id?: string
  title?: string
  purpose?: string
  licence?: string
  engine: 'tensorflow' | 'wasm' | 'cpu'
  json?: boolean
}

function summary(dir: string, card: UpscaleCard): string[] {
  const files = [card.model, ...Object.values(card.variants)].map(f => `  ${f.file}  ${(f.bytes / 1000).toFixed(0)} kB  sha256 ${f.sha256}`)
  const tiles =
    card.halo === null
      ? 'runs whole only'
      : `halo ${card.halo} of receptive field ${card.receptiveField}, error ${card.haloError?.toExponential(1)}`
  return [
    `${card.id} is in ${dir}`,
    ...files,
    `  ×${card.scale}, ${card.parameters.toLocaleString('en')} parameters, ${card.flopsPerPixel.toLocaleString('en')} operations per input pixel`,
    `  tiles: ${tiles}`,
    `  tfjs against ONNX Runtime: ${card.parity.maxDifference.toExponential(1)} at most, over ${card.parity.sizes.map(s => s.join('×')).join(', ')}`,
    `  uint8 variant: ${card.variants.uint8?.maxDifference} of 255 at most`,
  ]
}

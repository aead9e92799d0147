import { type Command, Option } from 'commander'
import type { UpscaleCard } from '../models/card.js'

/** `uprez export RUN -o DIR` */
export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('write a trained network as ONNX with its card, compared with TensorFlow.js')
    .argument('<run>', 'a training run, or a model folder with weights/')
    .requiredOption('-o, --output <path>', 'model folder to write, such as models/my-x4; with --format safetensors, a file')
    .addOption(
      new Option('--format <name>', "safetensors: the weights alone, under the community's key names")
        .choices(['onnx', 'safetensors'])
        .default('onnx'),
    )
    .option('--id <id>', 'name of the model (default: the name of the output folder)')
    .option('--title <text>', 'title on the card')
    .option('--purpose <text>', 'what the model is for, in a sentence')
    .option('--licence <name>', 'licence of the weights')
    .addOption(new Option('--engine <name>', 'TensorFlow.js engine to compare with').choices(['tensorflow', 'wasm', 'cpu']).default('wasm'))
    .option('--json', 'print the card instead of the summary')
    .action(async (run: string, { json, format, ...options }: Options & { format: 'onnx' | 'safetensors' }) => {
      if (format === 'safetensors') {
        const { exportSafetensors } = await import('./safetensors.js')
        const written = await exportSafetensors(run, options.output)
        console.log(json ? JSON.stringify(written, null, 2) : `${written.architecture} in ${written.file}, ${written.bytes} bytes`)
        return
      }
      const { exportRun } = await import('./export.js')
      print(json, await exportRun({ run, ...options, say: line => console.error(line) }))
    })
}

/** `uprez adopt FILE -o DIR` */
export function addAdoptCommand(program: Command): void {
  program
    .command('adopt')
    .description("make a model of the community's weights: RRDBNet (ESRGAN), SRVGGNetCompact, MSRResNet, EDSR")
    .argument('<file>', 'weights: .safetensors, .pth or .pt; nothing in the file is run')
    .requiredOption('-o, --output <dir>', 'model folder to write, such as models/my-x4')
    .option('--id <id>', 'name of the model (default: the name of the output folder)')
    .option('--title <text>', 'title on the card')
    .option('--purpose <text>', 'what the model is for, in a sentence')
    .option('--licence <name>', 'licence of the weights (default: unknown)')
    .addOption(new Option('--engine <name>', 'TensorFlow.js engine to compare with').choices(['tensorflow', 'wasm', 'cpu']).default('wasm'))
    .option('--json', 'print the card instead of the summary')
    .action(async (file: string, { json, ...options }: Options) => {
      const { adopt } = await import('./adopt.js')
      print(json, await adopt({ file, ...options, say: line => console.error(line) }))
    })
}

/** `uprez blend A B --strength 0.5 -o DIR` */
export function addBlendCommand(program: Command): void {
  program
    .command('blend')
    .description('mix two generators of one topology, weight by weight, into a third model')
    .argument('<a>', 'a training run, a model folder or the id of a model: what strength 0 gives')
    .argument('<b>', 'another: what strength 1 gives')
    .requiredOption('-o, --output <dir>', 'model folder to write, such as models/my-x4')
    .option('--strength <share>', 'share of the second, from 0 to 1', '0.5')
    .option('--id <id>', 'name of the model (default: the name of the output folder)')
    .option('--title <text>', 'title on the card')
    .option('--purpose <text>', 'what the model is for, in a sentence')
    .option('--licence <name>', 'licence of the weights (default: those of the two)')
    .addOption(new Option('--engine <name>', 'TensorFlow.js engine to compare with').choices(['tensorflow', 'wasm', 'cpu']).default('wasm'))
    .option('--json', 'print the card instead of the summary')
    .action(async (a: string, b: string, { json, strength, ...options }: Options & { strength: string }) => {
      const { blend } = await import('./blend.js')
      print(json, await blend({ a, b, strength: Number(strength), ...options, say: line => console.error(line) }))
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

function print(json: boolean | undefined, { dir, card }: { dir: string; card: UpscaleCard }): void {
  if (json) console.log(JSON.stringify(card, null, 2))
  else for (const line of summary(dir, card)) console.log(line)
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

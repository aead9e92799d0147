import { type Command, Option } from 'commander'
import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import { RANGES, type RangeName } from '../probe/ranges.js'
import type { WrittenFile } from './export-file.js'
import type { Value } from './graph.js'
import type { Parity } from './verify.js'

/** `uprez export RUN -o DIR` */
export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('write a trained network as ONNX with its card, compared with TensorFlow.js')
    .argument('<run>', 'a training run, a model folder with weights/, or the folder of a tfjs layers model')
    .requiredOption(
      '-o, --output <path>',
      'model folder to write, such as models/my-x4, in place of what it holds; FILE.onnx: that file alone, of any network; with --format safetensors, a file',
    )
    .addOption(
      new Option('--format <name>', "safetensors: the weights alone, under the community's key names")
        .choices(['onnx', 'safetensors'])
        .default('onnx'),
    )
    .option('--id <id>', 'name of the model (default: the name of the output folder)')
    .option('--title <text>', 'title on the card')
    .option('--purpose <text>', 'what the model is for, in a sentence')
    .option('--licence <name>', 'licence of the weights')
    .option('--explain', 'write nothing; say which layer, or which rewriting of the graph, first differs from TensorFlow.js')
    .addOption(
      new Option('--range <name>', 'what the pictures of a tfjs layers model are, where it is not our own (default: measured)').choices(
        Object.keys(RANGES),
      ),
    )
    .option('--layers <file>', 'a module with layer classes of your own, see "Layers of your own" in docs/models.md')
    .option('--fp16', 'write model.fp16.onnx as well: half the size')
    .option('--int8', 'write model.int8.onnx as well: a quarter of the size, faster on CPUs')
    .option('--calibrate <dir>', 'pictures to fit int8 to, and to judge it and fp16 on (default: drawn ones)')
    .option('--without <passes...>', 'rewritings of the graph to leave out, by the names under "passes" on the card')
    .addOption(new Option('--engine <name>', 'TensorFlow.js engine to compare with (default: wasm)').choices(['tensorflow', 'wasm', 'cpu']))
    .option('--json', 'print the card instead of the summary')
    .action(async (run: string, { json, format, explain, ...options }: ExportCommandOptions) => {
      if (explain) {
        const { describe, explainRun } = await import('./explain.js')
        const finding = await explainRun({ run, ...options })
        console.log(json ? JSON.stringify(finding ?? null, null, 2) : describe(finding).join('\n'))
        process.exitCode = finding ? 1 : 0
        return
      }
      if (format === 'safetensors') {
        refuse(options, [...FOR_A_FOLDER, 'layers', 'without', 'engine'], '--format onnx', 'safetensors')
        const { exportSafetensors } = await import('./safetensors.js')
        const written = await exportSafetensors(run, options.output)
        console.log(json ? JSON.stringify(written, null, 2) : `${written.architecture} in ${written.file}, ${written.bytes} bytes`)
        return
      }
      if (options.output.endsWith('.onnx')) {
        refuse(options, FOR_A_FOLDER, 'a model folder as output', `the file ${options.output}`)
        const { exportFile } = await import('./export-file.js')
        const written = await exportFile({ run, ...options, say: line => console.error(line) })
        console.log(json ? JSON.stringify(written, null, 2) : fileSummary(written).join('\n'))
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
    .description("make a model of the community's weights (RRDBNet (ESRGAN), SRVGGNetCompact, MSRResNet, EDSR) or of an ONNX file")
    .argument('<file>', 'weights: .safetensors, .pth or .pt, of which nothing is run; or .onnx, which is measured')
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
  fp16?: true
  int8?: true
  calibrate?: string
  without?: string[]
  range?: RangeName
  layers?: string
  engine?: 'tensorflow' | 'wasm' | 'cpu'
  json?: boolean
}

type ExportCommandOptions = Options & { format: 'onnx' | 'safetensors'; explain?: true }

/** A file alone has no card, and no variants beside it. */
const FOR_A_FOLDER = ['id', 'title', 'purpose', 'licence', 'fp16', 'int8', 'calibrate', 'range'] as const

/** What would mean nothing. */
function refuse(options: Options, names: readonly (keyof Options)[], expected: string, got: string): void {
  const param = names.find(name => options[name] !== undefined)
  if (param === undefined) return
  throw new UprezError('invalid-option', `--${param}: expected ${expected}, got ${got}`, { param, expected, got })
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
    ...(card.parity ? [parityLine(card.parity)] : []),
    ...Object.entries(card.variants).map(([name, { maxDifference, psnrLoss }]) => {
      const loss = psnrLoss === undefined ? '' : `loses ${psnrLoss.toFixed(3)} dB, `
      return `  ${name} variant: ${loss}${maxDifference} of 255 at most`
    }),
  ]
}

function fileSummary({ file, bytes, sha256, inputs, outputs, parity }: WrittenFile): string[] {
  const ports = (values: Value[]) => values.map(({ name, dims }) => `${name} [${dims.join(', ')}]`).join(', ')
  return [`${file}  ${(bytes / 1000).toFixed(0)} kB  sha256 ${sha256}`, `  ${ports(inputs)} → ${ports(outputs)}`, parityLine(parity)]
}

function parityLine({ maxDifference, sizes, batches, inputs }: Parity): string {
  const conditions = [sizes.map(size => size.join('×')).join(', '), batches && `${batches.join(' and ')} at a time`, inputs?.join(' and ')]
  return `  tfjs against ONNX Runtime: ${maxDifference.toExponential(1)} at most, over ${conditions.filter(Boolean).join('; ')}`
}

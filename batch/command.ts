import { type Command, InvalidArgumentError, Option } from 'commander'
import { UprezError } from '../errors.js'
import { defined } from '../infer/defined.js'
import { OUTPUT_FORMATS } from '../infer/job.js'
import { requireOneSize, type Size } from '../infer/size.js'
import { PRECISIONS, type Precision } from '../models/precision.js'
import type { Options } from './options.js'

/** `uprez upscale`, the default command: a picture or folders of them. */
export function addUpscaleCommand(program: Command): void {
  program
    .command('upscale', { isDefault: true })
    .description('upscale a picture, or folders of them')
    .option('-i, --input <paths...>', 'files, folders or globs in quotes (required)')
    .option('-o, --output <path>', 'a folder, or a file where it ends as pictures do (required)')
    .option('-n, --model-name <id>', 'the model (default: fast-x4)')
    .option('-m, --model-path <path>', 'a model folder, a folder of them, or an .onnx file, looked at first')
    .option('-s, --outscale <factor>', "enlargement along one side (default: the model's own)", numberIn(0.01, 64))
    .option('--width <pixels>', 'of the results, in place of -s; the height follows in proportion', wholeIn(1, 65_535))
    .option('--height <pixels>', 'of the results; with --width, both as they are', wholeIn(1, 65_535))
    .option('--longest <pixels>', "the results' longer side; the other follows in proportion", wholeIn(1, 65_535))
    .option('-x, --tta', 'test-time augmentation: the mean over eight turned and mirrored runs, eight times the work')
    .option('-t, --tile <pixels>', 'side of a tile in input pixels, 0 = chosen for you', wholeIn(0, 65536), 0)
    .option('-g, --gpu-id <ids>', 'auto, -1 = CPU, or graphics cards by their numbers: 0 or 0,1', gpuIds)
    .option('--provider <name>', 'auto, cpu, cuda, webgpu, ... (UPREZ_PROVIDER; default auto): see docs/serving.md')
    .addOption(
      new Option('--precision <name>', 'what the model computes in, where it has such a file (UPREZ_PRECISION; default fp32)').choices(
        PRECISIONS,
      ),
    )
    .addOption(
      new Option('-f, --format <format>', 'of the results; auto: JPEG → JPEG, WebP → WebP, else PNG')
        .choices(['auto', ...OUTPUT_FORMATS])
        .default('auto'),
    )
    .option('-q, --quality <1..100>', 'of JPEG and WebP (default 95) and AVIF (default 80)', wholeIn(1, 100))
    .addOption(
      new Option('--depth <bits>', 'of a sample; 16 in PNG and TIFF; auto: as the input').choices(['auto', '8', '16']).default('auto'),
    )
    .option('--dpi <which>', "pixels per inch: keep = the input's, scale = times the enlargement, or a number", densityOf, 'keep')
    .addOption(new Option('--pages <which>', 'all: every page of a TIFF becomes a picture').choices(['all']))
    .option('-r, --recursive', 'go into folders; the output mirrors the tree')
    .option(
      '-j, --jobs <count>',
      'pictures in flight; more than CPUs (or UPREZ_THREADS) + 2, the default, wait for a place',
      wholeIn(1, 256),
    )
    .option('--suffix <text>', "appended to the results' names, before the extension", plainSuffix)
    .addOption(
      new Option('--if-exists <what>', 'skip: redo only what is not done').choices(['skip', 'overwrite', 'rename', 'fail']).default('skip'),
    )
    .option('--resume', 'same as --if-exists skip')
    .option('--dry-run', 'print what would be done, write nothing')
    .option('--json', 'print a JSON report on stdout')
    .action(async (flags: Flags) => {
      const options = toOptions(flags)
      const { upscale } = await import('./upscale.js')
      process.exitCode = await upscale(options)
    })
}

/** What commander hands over. */
interface Flags {
  input?: string[]
  output?: string
  modelName?: string
  modelPath?: string
  outscale?: number
  width?: number
  height?: number
  longest?: number
  tta?: true
  tile: number
  gpuId?: string
  provider?: string
  precision?: Precision
  format: Options['format']
  quality?: number
  depth: 'auto' | '8' | '16'
  dpi: Options['dpi']
  pages?: 'all'
  recursive?: true
  jobs?: number
  suffix?: string
  ifExists: Options['ifExists']
  resume?: true
  dryRun?: true
  json?: true
}

function toOptions(flags: Flags): Options {
  const { input, output, tile, format, quality, jobs } = flags
  if (input === undefined) throw missing('-i, --input', 'files, folders or globs')
  if (output === undefined) throw missing('-o, --output', 'a folder or a file name')
  return {
    ...{ input, output, tile, format, quality, jobs },
    model: flags.modelName,
    modelPath: flags.modelPath,
    size: sizeOf(flags),
    tta: flags.tta ?? false,
    provider: providerOf(flags),
    precision: flags.precision,
    depth: flags.depth === 'auto' ? 'auto' : (Number(flags.depth) as 8 | 16),
    dpi: flags.dpi,
    allPages: flags.pages === 'all',
    suffix: flags.suffix ?? '',
    recursive: flags.recursive ?? false,
    ifExists: ifExistsOf(flags),
    dryRun: flags.dryRun ?? false,
    json: flags.json ?? false,
  }
}

/** Commander would name a missing option before it names a misspelt one, which often is the same. */
function missing(option: string, expected: string): UprezError {
  return new UprezError('invalid-option', `${option}: expected ${expected} but it is missing`, { param: option, expected })
}

function sizeOf({ outscale, width, height, longest }: Flags): Size {
  const size = defined({ scale: outscale, width, height, longest })
  requireOneSize(size)
  return size
}

function ifExistsOf({ resume, ifExists }: Flags): Options['ifExists'] {
  if (!resume || ifExists === 'skip') return ifExists
  const expected = 'one of --resume and --if-exists'
  throw new UprezError('invalid-option', `Expected ${expected} but received --resume and --if-exists ${ifExists}`, {
    param: 'if-exists',
    expected,
    got: ifExists,
  })
}

/** As realesrgan-ncnn-vulkan's users know it, in the words of `--provider`. */
function gpuIds(text: string): string {
  if (text === 'auto') return 'auto'
  if (text === '-1') return 'cpu'
  if (/^\d{1,3}(,\d{1,3})*$/.test(text)) return `gpu:${text}`
  throw new InvalidArgumentError('Expected auto, -1 (CPU), or numbers of graphics cards: 0 or 0,1.')
}

function providerOf({ gpuId, provider }: Flags): string | undefined {
  if (gpuId === undefined || provider === undefined) return provider ?? gpuId
  const expected = 'one of -g and --provider'
  throw new UprezError('invalid-option', `Expected ${expected} but received both`, { param: 'provider', expected, got: 'both' })
}

function numberIn(low: number, high: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() !== '' && value >= low && value <= high) return value
    throw new InvalidArgumentError(`Expected a number from ${low} to ${high}.`)
  }
}

function wholeIn(low: number, high: number): (text: string) => number {
  const number = numberIn(low, high)
  return text => {
    const value = number(text)
    if (Number.isInteger(value)) return value
    throw new InvalidArgumentError(`Expected a whole number from ${low} to ${high}.`)
  }
}

function densityOf(text: string): Options['dpi'] {
  if (text === 'keep' || text === 'scale') return text
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value
  throw new InvalidArgumentError('Expected keep, scale or a whole number from 1 to 65535.')
}

function plainSuffix(text: string): string {
  if (/[/\\\0]/.test(text)) throw new InvalidArgumentError('Expected text without a slash.')
  return text
}

import { UprezError } from '../errors.js'
import type { Finding, Port, UpscaleCard } from '../models/card.js'
import { analyse } from './analysis.js'
import { declaredPorts, notAnUpscaler, type PictureValue } from './declared.js'
import { encode, type ForeignSession, openForeign, throughPorts } from './foreign.js'
import { toPlanes } from './halo.js'
import { type Arrangement, answerTo, arrangementsOf, fixedSizeOf, type Size } from './layout.js'
import { leastMultiple } from './multiple.js'
import type { OnnxFile } from './onnx-file.js'
import { drawLeaves } from './picture.js'
import { findRanges, type Ranges } from './range.js'
import type { Session } from './session.js'
import { findTiling, type Tiling } from './tiling.js'

/** What a card says of a model's file, found out by running it, and how sure each of it is. */
export interface Measured extends Tiling, Pick<UpscaleCard, 'scale' | 'sizeMultiple' | 'fixedSize' | 'flopsPerPixel'> {
  input: Port
  output: Port
}

/** Receives a line per stage; resolves when it is on its way. */
export type Say = (line: string) => Promise<void>

/** Where no size is declared, the first of these that the network takes. */
const SIZES: Size[] = [
  { width: 96, height: 64 },
  { width: 128, height: 192 },
  { width: 240, height: 144 },
  { width: 512, height: 256 },
]
/** A card needs a number, and who reads it wants a time: what a core does in a second, as the folder command assumes. */
const OPERATIONS_PER_SECOND = 40e9
/** Below, the answer is another picture. */
const LEAST_CORRELATION = 0.7

/**
 * Finds out what an upscaler takes and gives, by running it on drawn pictures.
 * @throws UprezError `not-an-upscaler` saying what it is instead; `invalid-onnx` where ONNX Runtime refuses the file
 */
export async function measureModel(bytes: Uint8Array, file: OnnxFile, say: Say): Promise<Measured> {
  const declared = declaredPorts(file)
  await say('opening it')
  const session = await openForeign(bytes).catch(cause => {
    const [expected, got] = ['a graph that ONNX Runtime takes', reasonOf(cause)]
    throw new UprezError('invalid-onnx', `expected ${expected}, but it says: ${got}`, { param: 'file', expected, got, cause })
  })
  try {
    await say('what it takes and gives')
    const asked = await findArrangement(session, declared)
    const { scale, size } = asked
    const ranges = await findRanges(session, asked.input, asked.output, scale, size)
    if (!(ranges.correlation >= LEAST_CORRELATION)) {
      throw notAnUpscaler('the picture enlarged', `one that does not resemble it (correlation ${ranges.correlation.toFixed(2)})`)
    }
    const input: Port = { ...asked.input, ...ranges.input }
    const output: Port = { ...asked.output, ...ranges.output }

    await say('which sizes it takes')
    const through = throughPorts(session, input, output)
    const declaredSize = fixedSizeOf(declared.input, input.layout)
    const sizes = declaredSize ? { sizeMultiple: 1, fixedSize: declaredSize } : await findSizes(through, scale, size)

    await say('how far it looks')
    const analysis = await analyse(file)
    const followed = 'reason' in analysis ? undefined : analysis
    const guessed = Math.round((asked.seconds * OPERATIONS_PER_SECOND) / (size.width * size.height))
    const flopsPerPixel = followed?.flopsPerPixel ?? guessed
    const about = { scale, ...sizes, flopsPerPixel, float32: isFloat32(file), derived: followed?.receptiveField }
    const { findings, ...tiling } = await findTiling(through, about, say)
    return {
      ...{ input, output, scale, flopsPerPixel, ...sizes, ...tiling },
      findings: [
        { what: 'scale', value: String(scale), how: 'measured', why: `${sides(size)} pixels came back as ${sides(times(size, scale))}` },
        ...portFindings(file, declared.input, input, output, ranges),
        sizeFinding(sizes, declaredSize !== null),
        followed
          ? { what: 'operations', value: perPixel(flopsPerPixel), how: 'derived', why: 'from the graph' }
          : {
              what: 'operations',
              value: perPixel(guessed),
              how: 'assumed',
              why: `from its time; not counted: ${(analysis as { reason: string }).reason}`,
            },
        ...findings,
      ],
    }
  } finally {
    await session.close()
  }
}

interface Asked {
  input: Port
  output: Port
  scale: number
  /** Of the picture that it enlarged. */
  size: Size
  /** That this took. */
  seconds: number
}

/** Layout and channels in which the network takes a picture and gives a larger one. */
async function findArrangement(session: ForeignSession, { input, output }: { input: PictureValue; output: PictureValue }): Promise<Asked> {
  let reason: UprezError | undefined
  for (const arrangement of arrangementsOf(input)) {
    const fixedSize = fixedSizeOf(input, arrangement.layout)
    for (const size of fixedSize ? [fixedSize] : SIZES) {
      const port = portFor(input, arrangement)
      const start = performance.now()
      const dims = await answerDims(session, port, output.name, size).catch(reasonOf)
      const seconds = (performance.now() - start) / 1000
      const answer = typeof dims === 'string' ? undefined : answerTo(dims, size)
      if (answer) return { input: port, output: portFor(output, answer), scale: answer.scale, size, seconds }
      // What a network of the likeliest layout says is the most telling.
      reason ??=
        typeof dims === 'string'
          ? notAnUpscaler(`a picture of ${sides(size)} pixels to be taken`, dims)
          : notAnUpscaler('a picture a whole number of times as large', `${dims.join('×')} for one of ${sides(size)} pixels`)
    }
  }
  throw reason!
}

async function answerDims(session: ForeignSession, port: Port, output: string, size: Size): Promise<readonly number[]> {
  const { dims } = await session.run(port, output, encode(toPlanes(drawLeaves(size.width, size.height, 20)), port))
  return dims
}

/** The range is not known yet. */
function portFor({ name, type }: PictureValue, { layout, channels }: Arrangement): Port {
  return { name, channels, order: channels === 1 ? 'Y' : 'RGB', layout, type, range: type === 'uint8' ? [0, 255] : [0, 1] }
}

/** @param size one that works */
async function findSizes(
  through: Pick<Session, 'run'>,
  scale: number,
  size: Size,
): Promise<Pick<UpscaleCard, 'sizeMultiple' | 'fixedSize'>> {
  const works = async ({ width, height }: Size) => {
    const answer = await through.run(toPlanes(drawLeaves(width, height, 20))).catch(() => undefined)
    return answer?.dims[2] === height * scale && answer.dims[3] === width * scale
  }
  const sizeMultiple = await leastMultiple(works)
  return sizeMultiple === undefined ? { sizeMultiple: 1, fixedSize: size } : { sizeMultiple, fixedSize: null }
}

function portFindings(file: OnnxFile, declared: PictureValue, input: Port, output: Port, ranges: Ranges): Finding[] {
  const channelsDeclared = typeof declared.dims?.[input.layout === 'NCHW' ? 1 : 3] === 'number'
  const errors = ranges.errors.map(({ range, error }) => `${(error * 255).toFixed(1)} of 255 in ${range.join('..')}`).join(', ')
  const ranged = ranges.errors.length > 1
  const orders: Finding =
    input.channels === 1
      ? { what: 'channels', value: 'one: each colour by itself', how: 'assumed', why: 'nothing tells luma from any other' }
      : {
          what: 'channels',
          value: `${input.order} in, ${output.order} out`,
          how: 'assumed',
          why: 'that they come in as RGB; out follows from that',
        }
  return [
    {
      what: 'layout',
      value: `${input.layout} in, ${output.layout} out, ${input.channels} channel${input.channels === 1 ? '' : 's'}`,
      how: channelsDeclared ? 'declared' : 'measured',
      why: channelsDeclared ? `${declared.name} is ${declared.dims!.map(dim => dim || '?').join('×')}` : 'by trying',
    },
    { what: 'type', value: `${input.type} in, ${output.type} out`, how: 'declared', why: 'by the file' },
    {
      what: 'range',
      value: `${input.range.join('..')} in, ${output.range.join('..')} out`,
      how: !ranged ? 'declared' : ranges.alike ? 'assumed' : 'measured',
      why: !ranged ? 'by the type' : `flat colours come back changed by ${errors}${ranges.alike ? ': much the same' : ''}`,
    },
    orders,
    ...(file.outputs.length > 1
      ? [{ what: 'output', value: output.name, how: 'assumed', why: `the first of ${file.outputs.length}` } satisfies Finding]
      : []),
  ]
}

function sizeFinding({ sizeMultiple, fixedSize }: Pick<UpscaleCard, 'sizeMultiple' | 'fixedSize'>, declared: boolean): Finding {
  if (fixedSize && declared) return { what: 'sizes', value: `${sides(fixedSize)} only`, how: 'declared', why: 'by the file' }
  if (fixedSize)
    return { what: 'sizes', value: `${sides(fixedSize)} only`, how: 'measured', why: 'no other one that was tried was enlarged' }
  const value = sizeMultiple === 1 ? 'any' : `multiples of ${sizeMultiple}`
  return { what: 'sizes', value, how: 'measured', why: 'by trying' }
}

/** Rounding is the same wherever a tile begins only where nothing is kept in fewer bits than it is computed in. */
function isFloat32({ inputs, outputs, nodes, initializers }: OnnxFile): boolean {
  const types = [...inputs, ...outputs, ...initializers.values()].map(({ type }) => type)
  return !types.includes('float16') && !types.includes('bfloat16') && !nodes.some(({ op }) => /^Q|Quantize|Integer$/.test(op))
}

const sides = ({ width, height }: Size) => `${width}×${height}`
const times = ({ width, height }: Size, scale: number): Size => ({ width: width * scale, height: height * scale })
const perPixel = (operations: number) => `${operations.toLocaleString('en')} per input pixel`

/** ONNX Runtime's first line, without the place in its own source. */
function reasonOf(cause: unknown): string {
  return String((cause as Error).message ?? cause)
    .split('\n')[0]!
    .replace(/\/\S+:\d+ /, '')
    .slice(0, 300)
}

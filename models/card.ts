import { z } from 'zod'
import { UprezError } from '../errors.js'
import { PRECISIONS, type Precision } from './precision.js'

/**
 * The model card: everything a runtime must know about `models/<id>/model.onnx`, so that no code
 * asks "which model is this?". This file is the only reader of a card and runs everywhere
 * (neither Node nor DOM types). Unknown fields fail.
 */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits')
const fileName = z.string().regex(/^[\w.-]+\.onnx$/, 'expected a file name ending in .onnx, without a folder')

const port = z.strictObject({
  /** Name of the tensor in the ONNX graph. */
  name: z.string().min(1),
  channels: z.literal([1, 3]),
  order: z.enum(['RGB', 'BGR', 'Y']),
  layout: z.enum(['NCHW', 'NHWC']),
  type: z.enum(['float32', 'float16', 'uint8']),
  /** Values of black and white: [0, 1] or [0, 255]. */
  range: z.tuple([z.number(), z.number()]),
})

const graphFile = z.strictObject({
  file: fileName,
  sha256,
  bytes: z.int().positive(),
  input: port,
  output: port,
})

const variant = graphFile.extend({
  /** Inside; the ports say what is outside. Without it: fp32. */
  precision: z.enum(PRECISIONS).optional(),
  /** Largest difference to the canonical file's answer rounded to 8 bits, in 8-bit steps, on natural images. */
  maxDifference: z.number().nonnegative(),
  /** What PSNR of luma falls by against the originals of natural images, in dB; of a variant of lower precision. */
  psnrLoss: z.number().nonnegative().optional(),
})

const score = z.strictObject({
  set: z.string().min(1),
  /** Mean PSNR of luma in dB. */
  psnrY: z.number(),
  /** Mean SSIM of luma, 0..1. */
  ssimY: z.number(),
  /** Mean NIQE (uprez fit): lower is more natural, whatever the original. Of sets whose pictures are large enough for it. */
  niqe: z.number().optional(),
})

const dataSource = z.strictObject({
  name: z.string().min(1),
  source: z.string().min(1),
  licence: z.string().min(1),
  images: z.int().nonnegative(),
})

/** One of the two models of a blend. */
const blended = z.strictObject({ id: z.string().min(1), preset: z.string(), steps: z.int().nonnegative() })

/** Something that was found out about a model, and how sure it is. */
const finding = z.strictObject({
  what: z.string().min(1),
  value: z.string().min(1),
  /** Measured on pictures, derived from the graph, declared by the file, or taken for granted. */
  how: z.enum(['measured', 'derived', 'declared', 'assumed']),
  why: z.string().min(1),
})

/** The file of weights that a model was made of. */
const adopted = z.strictObject({
  file: z.string().min(1),
  sha256,
  /** As its authors call it. */
  architecture: z.string().min(1),
  /** Options of our generator, read off keys and shapes. */
  network: z.record(z.string(), z.unknown()),
  /** What the file does not tell and was taken for granted. */
  assumed: z.array(z.string()),
  /** Of a file whose card is what was found out about it. */
  findings: z.array(finding).optional(),
})

export const upscaleCard = z.strictObject({
  cardVersion: z.literal(1),
  task: z.literal('upscale'),
  /** Name of the folder, the command-line option and the HTTP field. */
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected lower-case letters, digits, ".", "_" or "-"'),
  title: z.string().min(1),
  /** What the model is for, in a sentence. */
  purpose: z.string().min(1),
  /** Output pixels per input pixel, along one side. */
  scale: z.int().min(1).max(16),
  /** The canonical file: float NCHW in [0,1]. */
  model: graphFile,
  /** Width and height of the input must be multiples of this. */
  sizeMultiple: z.int().min(1),
  /** The only size the graph takes, or null where any size will do. */
  fixedSize: z.strictObject({ width: z.int().positive(), height: z.int().positive() }).nullable(),
  /** Theoretical radius in input pixels: a pixel further away cannot change the output. null: the whole image. */
  receptiveField: z.int().nonnegative().nullable(),
  /** Overlap of tiles in input pixels: the smallest with a measured error of at most 1/255. null: run whole. */
  halo: z.int().nonnegative().nullable(),
  /** Largest difference between tiled (with `halo`) and whole, on [0,1]. */
  haloError: z.number().nonnegative().nullable(),
  variants: z.record(z.string(), variant),
  /** Rewritings of the graph that found something to do on the way from layers to file, in their order: none changes what it answers. */
  passes: z.array(z.string().min(1)).optional(),
  /**
   * Numbers that were learned, by the layers: a collapsible kernel's as the one that it amounts to, a norm's although it may be folded into
   * a convolution, a frozen kernel's not. Of a file without its layers, the constants where weights stand.
   */
  parameters: z.int().nonnegative(),
  /** Floating-point operations per input pixel (one multiply-add counts as two). */
  flopsPerPixel: z.number().nonnegative(),
  training: z.strictObject({
    preset: z.string(),
    /** How it was trained: pixel, srgan, …; cards of before there was a choice lack it. */
    recipe: z.string().optional(),
    /** The model or run whose weights the training began with. */
    from: z.string().optional(),
    overrides: z.record(z.string(), z.unknown()),
    steps: z.int().nonnegative(),
    seed: z.int(),
    engine: z.string(),
    data: z.array(dataSource),
    /** What the feature loss looked at; null where there was none. */
    featureLoss: z.string().nullable(),
    /** Of a model that was not trained but mixed: (1 − strength) of the first one's weights and strength of the second's. */
    blend: z.strictObject({ strength: z.number().min(0).max(1), of: z.tuple([blended, blended]) }).optional(),
    /** Of a model whose weights were trained elsewhere: nothing else is known of their training. */
    adopted: adopted.optional(),
  }),
  scores: z.array(score),
  /** tfjs against ONNX Runtime: the largest difference on [0,1] over the sizes [height, width] named. Older cards lack the rest. null: made elsewhere, never compared. */
  parity: z
    .strictObject({
      maxDifference: z.number().nonnegative(),
      /** Largest magnitude among the values compared. */
      largestValue: z.number().nonnegative().optional(),
      against: z.string(),
      sizes: z.array(z.tuple([z.int(), z.int()])),
      /** Pictures at a time. */
      batches: z.array(z.int().positive()).optional(),
      /** What was compared on. */
      inputs: z.array(z.string()).optional(),
    })
    .nullable(),
  /** Licence of the weights. */
  licence: z.string().min(1),
})

const card = z.discriminatedUnion('task', [upscaleCard])

/** The training of a network that was made elsewhere. */
export const UNKNOWN_TRAINING = { overrides: {}, steps: 0, seed: 0, engine: 'unknown', data: [], featureLoss: null }

export type Port = z.infer<typeof port>
export type GraphFile = z.infer<typeof graphFile>
export type Variant = z.infer<typeof variant>
export type Finding = z.infer<typeof finding>
export type Card = z.infer<typeof card>
export type UpscaleCard = z.infer<typeof upscaleCard>

/**
 * Checks a parsed `card.json`.
 * @param where the file or address it came from, for the message
 * @throws UprezError `invalid-card` naming the first wrong field
 */
export function parseCard(value: unknown, where: string): Card {
  const result = card.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const field = issue.path.join('.') || '(root)'
  throw new UprezError('invalid-card', `${where}: field ${field}: ${issue.message}`, { param: field, expected: issue.message, got: where })
}

/**
 * The file a runtime should load: the uint8 NHWC variant of the precision where there is one (a quarter of the bytes to copy), else the
 * canonical file.
 * @throws UprezError `invalid-option` where the model has nothing of that precision
 */
export function servingFile(card: UpscaleCard, precision: Precision = 'fp32'): GraphFile {
  const variants = Object.values(card.variants).filter(variant => precisionOf(variant) === precision)
  const bytes = variants.find(v => v.input.type === 'uint8' && v.input.layout === 'NHWC' && v.output.type === 'uint8')
  if (bytes) return bytes
  if (precision === 'fp32') return card.model
  const expected = `one of ${precisionsOf(card).join(', ')}`
  throw new UprezError('invalid-option', `Expected ${expected}, which the model ${card.id} has, for precision but received ${precision}`, {
    param: 'precision',
    expected,
    got: precision,
  })
}

/** What `servingFile` has a file for. */
export function precisionsOf(card: UpscaleCard): Precision[] {
  return PRECISIONS.filter(precision => precision === 'fp32' || Object.values(card.variants).some(v => precisionOf(v) === precision))
}

const precisionOf = (variant: Variant): Precision => variant.precision ?? 'fp32'

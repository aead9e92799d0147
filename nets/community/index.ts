import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../../errors.js'
import type { Tf } from '../engine.js'
import { type GeneratorConfig, generatorSchema, makeGenerator } from '../generator.js'
import type { CollapsibleLayer } from '../layers/collapsible-conv.js'
import type { Architecture, Guess, Part, Weights } from './architecture.js'
import { SRVGG } from './compact.js'
import { EDSRS } from './edsr.js'
import { MSRRESNET } from './msrresnet.js'
import { RRDBNETS } from './rrdbnet.js'

/**
 * Networks of the super-resolution community that ours can be, from their files of weights and back. What a file holds follows from
 * its keys and shapes alone.
 */
const ARCHITECTURES: readonly Architecture[] = [...RRDBNETS, SRVGG, MSRRESNET, ...EDSRS]

/** A file of weights, understood. */
export interface Recognised {
  /** As its authors call it. */
  architecture: string
  network: GeneratorConfig
  scale: number
  parts: Part[]
  assumed: string[]
}

/**
 * Finds the architecture whose keys and shapes these are.
 * @param file for messages
 * @throws UprezError `unknown-architecture` naming the nearest one and what is missing or unexpected; `invalid-weights` naming tensors
 *   of a wrong shape, or with numbers that are none
 */
export function recognise(weights: Weights, file: string): Recognised {
  const nearest = ARCHITECTURES.map(({ name, guess }) => fit(name, guess(weights), weights)).reduce((a, b) =>
    distance(b) < distance(a) ? b : a,
  )
  if (distance(nearest) > 0) throw unknown(nearest, weights, file)
  const { name, guess } = nearest
  requireSound(guess.parts, weights, name, file)
  const network = generatorSchema.safeParse(guess.network)
  if (!network.success) {
    const [issue] = network.error.issues
    const message = `${file}: ${name} with ${issue!.path.join('.')} ${guess.network[issue!.path[0] as string]}: ${issue!.message}`
    throw new UprezError('unknown-architecture', message, { param: file, expected: issue!.message })
  }
  return { architecture: name, network: network.data, scale: guess.scale, parts: guess.parts, assumed: guess.assumed ?? [] }
}

/** Our network with the file's weights. */
export function build(tf: Tf, { network, scale, parts }: Recognised, weights: Weights): TF.LayersModel {
  const model = makeGenerator(tf, network, scale, 0)
  const names = new Set(model.layers.map(({ name }) => name))
  // Slopes that are all alike are part of the activation.
  for (const part of parts.filter(({ layer }) => names.has(layer))) {
    tf.tidy(() => {
      const { shape, data } = weights.get(part.key)!
      let value: TF.Tensor = tf.tensor(data, shape)
      if (part.outputs) value = tf.gather(value, part.outputs, 0)
      if (part.inputs) value = tf.gather(value, part.inputs, 1)
      if (part.factor !== undefined) value = tf.mul(value, part.factor)
      if (value.rank === 4) value = tf.transpose(value, [2, 3, 1, 0])
      model.getLayer(part.layer).weights[part.index]!.write(value)
    })
  }
  return model
}

/** Our generators that have a home in the community, by the name of the network. */
const HOMES: Record<string, Architecture> = { rrdb: RRDBNETS[0]!, srvgg: SRVGG, msrresnet: MSRRESNET }

/**
 * A network's weights under the keys and in the layout that the community's programs read.
 * @throws UprezError `unknown-architecture` where no such program knows the network
 */
export function communityWeights(tf: Tf, model: TF.LayersModel): { architecture: string; weights: Weights } {
  const home = HOMES[model.name]
  if (!home) {
    const expected = `a network of ${Object.keys(HOMES).join(', ')}`
    throw new UprezError('unknown-architecture', `the community's programs know no network like ${model.name}; expected ${expected}`, {
      param: 'run',
      expected,
      got: model.name,
    })
  }
  const plain = inPyTorchsLayout(tf, model)
  const { parts } = home.guess(plain)
  return { architecture: home.name, weights: new Map(parts.map(part => [part.key, unpermuted(tf, part, plain)])) }
}

/** Under our layers' names, channels still in our order. */
function inPyTorchsLayout(tf: Tf, model: TF.LayersModel): Weights {
  const weights: Weights = new Map()
  const put = (key: string, tensor: TF.Tensor) => weights.set(key, { shape: tensor.shape, data: tensor.dataSync() as Float32Array })
  for (const layer of model.layers) {
    const [first, bias] = layer.getWeights()
    if (layer.getClassName() === 'ChannelPReLU') put(`${layer.name}.weight`, first!)
    if (layer.getClassName() !== 'CollapsibleConv2D') continue
    const kernel = tf.transpose(first!, [3, 2, 0, 1])
    put(`${layer.name}.weight`, kernel)
    put(`${layer.name}.bias`, bias!)
    kernel.dispose()
    // There, a leaky ReLU is a PReLU of equal slopes.
    const [, place] = /^body\.(\d+)$/.exec(layer.name) ?? []
    const { slope } = layer as CollapsibleLayer
    if (place !== undefined && slope !== 1) put(`body.${Number(place) + 1}.weight`, tf.fill([bias!.size], slope))
  }
  return weights
}

function unpermuted(tf: Tf, { key, outputs, inputs }: Part, plain: Weights): Weights extends Map<string, infer W> ? W : never {
  return tf.tidy(() => {
    const { shape, data } = plain.get(key)!
    let value: TF.Tensor = tf.tensor(data, shape)
    if (outputs) value = tf.gather(value, inverse(outputs), 0)
    if (inputs) value = tf.gather(value, inverse(inputs), 1)
    return { shape, data: value.dataSync() as Float32Array }
  })
}

function inverse(order: number[]): number[] {
  const places = new Array<number>(order.length)
  for (const [i, place] of order.entries()) places[place] = i
  return places
}

interface Fit {
  name: string
  guess: Guess
  missing: string[]
  unexpected: string[]
}

function fit(name: string, guess: Guess, weights: Weights): Fit {
  const keys = new Set(guess.parts.map(({ key }) => key))
  const beside = new Set(guess.beside)
  return {
    name,
    guess,
    missing: [...keys].filter(key => !weights.has(key)),
    unexpected: [...weights.keys()].filter(key => !keys.has(key) && !beside.has(key)),
  }
}

function distance({ missing, unexpected }: Fit): number {
  return missing.length + unexpected.length
}

function unknown({ name, missing, unexpected }: Fit, weights: Weights, file: string): UprezError {
  const known = ARCHITECTURES.map(({ name }) => name).join(', ')
  const nothing = unexpected.length === weights.size
  const message = nothing
    ? `${file}: no key of it belongs to an architecture that is known (${known}): ${first([...weights.keys()])}`
    : [
        `${file} fits no architecture; the nearest is ${name}`,
        ...(missing.length > 0 ? [`missing: ${first(missing)}`] : []),
        ...(unexpected.length > 0 ? [`unexpected: ${first(unexpected)}`] : []),
      ].join('; ')
  return new UprezError('unknown-architecture', message, { param: file, expected: known, got: nothing ? 'other keys' : `nearly ${name}` })
}

function requireSound(parts: Part[], weights: Weights, name: string, file: string): void {
  const wrong = parts.filter(({ key, shape }) => weights.get(key)!.shape.join() !== shape.join())
  if (wrong.length > 0) {
    const shapes = wrong.map(({ key, shape }) => `${key} is [${weights.get(key)!.shape}], expected [${shape}]`)
    const message = `${file} has the keys of ${name}, but other shapes: ${first(shapes)}`
    throw new UprezError('invalid-weights', message, { param: wrong[0]!.key, expected: `[${wrong[0]!.shape}]` })
  }
  const broken = parts.filter(({ key }) => !weights.get(key)!.data.every(Number.isFinite)).map(({ key }) => key)
  if (broken.length === 0) return
  const message = `${file} holds numbers that are none (NaN or infinite): ${first(broken)}`
  throw new UprezError('invalid-weights', message, { param: broken[0]!, expected: 'finite numbers' })
}

/** Enough to see what it is about. */
function first(words: string[]): string {
  const shown = words.slice(0, 4).join(', ')
  return words.length > 4 ? `${shown} and ${words.length - 4} more` : shown
}

import type { Tf } from './engine.js'

/** A layer as a saved network has it. */
interface SavedLayer {
  class_name: string
  name: string
  config: Record<string, unknown>
  inbound_nodes: unknown[]
}

/** A value: layer, number of its call, number of its answer; with what the call takes besides. */
type Call = [layer: string, call: number, answer: unknown, more: Record<string, unknown>]

/**
 * Says in tfjs' words what Keras says in others, for `JSON.parse`: functions of TensorFlow that were called on a value
 * (`x * 0.2`, `tf.nn.depth_to_space`), which Keras saves as TFOpLambda, become layers; a class that was registered under a package
 * (`Custom>PixelShuffle`) goes by its own name. What has no such words stays, and tfjs will not know it.
 */
export function inTfjsWords(tf: Tf): (key: string, value: unknown) => unknown {
  const { classNameMap } = tf.serialization.SerializationMap.getMap()
  return (_, value) => {
    if (!isLayer(value)) return value
    if (value.class_name === 'TFOpLambda') return translated(value) ?? value
    const own = value.class_name.split('>').at(-1)!
    return own in classNameMap ? { ...value, class_name: own } : value
  }
}

function isLayer(value: unknown): value is SavedLayer {
  return typeof value === 'object' && value !== null && typeof (value as SavedLayer).class_name === 'string'
}

function translated(layer: SavedLayer): SavedLayer | undefined {
  const [call, ...others] = layer.inbound_nodes as Call[]
  if (!call || others.length > 0 || Array.isArray(call[0])) return undefined
  const translation = FUNCTIONS[String(layer.config.function)]?.(...operands(call), call[3])
  if (!translation?.inputs.every(Array.isArray)) return undefined
  const { className, inputs, ...config } = translation
  return { class_name: className, name: layer.name, config: { name: layer.name, ...config }, inbound_nodes: [inputs] }
}

/** A value of the network, or a number. */
type Operand = [string, number, unknown, object] | number | undefined

/** What a function is called with: x, and perhaps y. A number in x's place has a layer's name that says so. */
function operands([layer, call, answer, { y }]: Call): [x: Operand, y: Operand] {
  const x: Operand = layer === '_CONSTANT_VALUE' ? (answer as number) : [layer, call, answer, {}]
  return [x, Array.isArray(y) ? [y[0], y[1], y[2], {}] : typeof y === 'number' ? y : undefined]
}

type Function = (x: Operand, y: Operand, more: Record<string, unknown>) => Translation | undefined
type Translation = { className: string; inputs: Operand[] } & Record<string, unknown>

const alone =
  (className: string, config: object): Function =>
  x => ({ className, inputs: [x], ...config })
const affine = (x: Operand, factor: number, offset: number): Translation => ({ className: 'Affine', inputs: [x], factor, offset })
const shuffle =
  (className: string): Function =>
  (x, _, { block_size, data_format = 'NHWC' }) =>
    data_format === 'NHWC' ? { className, inputs: [x], scale: block_size } : undefined

const add: Function = (x, y) => {
  if (typeof y === 'number') return affine(x, 1, y)
  return typeof x === 'number' ? affine(y, 1, x) : { className: 'Add', inputs: [x, y] }
}
const subtract: Function = (x, y) => {
  if (typeof y === 'number') return affine(x, 1, -y)
  return typeof x === 'number' ? affine(y, -1, x) : { className: 'Subtract', inputs: [x, y] }
}
const multiply: Function = (x, y) => {
  if (typeof y === 'number') return affine(x, y, 0)
  return typeof x === 'number' ? affine(y, x, 0) : { className: 'Multiply', inputs: [x, y] }
}
const divide: Function = (x, y) => (typeof y === 'number' ? affine(x, 1 / y, 0) : undefined)

/** TensorFlow's function → layer. */
const FUNCTIONS: Record<string, Function> = {
  '__operators__.add': add,
  'math.add': add,
  'math.subtract': subtract,
  'math.multiply': multiply,
  'math.truediv': divide,
  'math.divide': divide,
  'nn.depth_to_space': shuffle('PixelShuffle'),
  'nn.space_to_depth': shuffle('PixelUnshuffle'),
  'nn.leaky_relu': (x, _, { alpha = 0.2 }) => ({ className: 'LeakyReLU', inputs: [x], alpha }),
  'nn.relu': alone('ReLU', {}),
  'nn.relu6': alone('ReLU', { max_value: 6 }),
  'math.tanh': alone('Activation', { activation: 'tanh' }),
  'math.sigmoid': alone('Activation', { activation: 'sigmoid' }),
}

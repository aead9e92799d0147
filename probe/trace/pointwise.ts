import { type Box, product, range } from './box.js'
import { type Call, input, int, lined, MOST_NUMBERS, type Numbers, one, type Rule, type Traced, Untraceable } from './value.js'

/** Position by position, shapes lined up at the end. https://github.com/onnx/onnx/blob/v1.17.0/docs/Broadcasting.md */
const broadcast: Rule = call => {
  const inputs = call.inputs.filter(given => given !== undefined)
  const shapes = inputs.map(given => given.shape)
  const shape = broadcastShape(shapes, call.node.op)
  return one(shape, part => call.inputs.map(given => given && partOf(part, given.shape)), evaluate(call, inputs, shape))
}

/** Of its first input alone; what else goes in are numbers per channel. */
const first: Rule = call => {
  const { shape, numbers } = input(call, 0)
  return one(shape, part => [part], numbers)
}

export const pointwise: Record<string, Rule> = {
  ...Object.fromEntries(
    [
      ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Mod', 'Min', 'Max', 'Mean', 'Sum', 'PRelu', 'Where'],
      ...['Equal', 'Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual', 'And', 'Or', 'Xor', 'Not'],
      ...[
        'Relu',
        'LeakyRelu',
        'ThresholdedRelu',
        'Elu',
        'Selu',
        'Celu',
        'Gelu',
        'FastGelu',
        'QuickGelu',
        'Swish',
        'Mish',
        'Sigmoid',
        'HardSigmoid',
        'HardSwish',
      ],
      ...[
        'Tanh',
        'Softplus',
        'Softsign',
        'Erf',
        'Exp',
        'Log',
        'Sqrt',
        'Reciprocal',
        'Sin',
        'Cos',
        'Tan',
        'Asin',
        'Acos',
        'Atan',
        'Sinh',
        'Cosh',
        'Abs',
        'Neg',
        'Sign',
      ],
      ...['Floor', 'Ceil', 'Round', 'Cast'],
    ].map(op => [op, broadcast]),
  ),
  ...Object.fromEntries(
    [
      ...['Identity', 'CastLike', 'Clip', 'Dropout', 'BatchNormalization', 'Shrink', 'QuantizeLinear', 'DequantizeLinear'],
      ...['DynamicQuantizeLinear'],
    ].map(op => [op, first]),
  ),
}

/** What a part of a broadcast answer is made of: a dimension of length 1 serves all positions. */
export function partOf(part: Box, shape: number[]): Box {
  return part.slice(part.length - shape.length).map((interval, i) => (shape[i] === 1 ? [0, 0] : interval))
}

export function broadcastShape(shapes: number[][], op: string): number[] {
  const rank = Math.max(...shapes.map(shape => shape.length))
  return range(rank).map(i => {
    const sizes = shapes.map(shape => shape[i - rank + shape.length] ?? 1).filter(size => size !== 1)
    if (new Set(sizes).size > 1) throw new Untraceable(`${op} of ${shapes.map(shape => shape.join('×')).join(' and ')}`)
    return sizes[0] ?? 1
  })
}

type Evaluator = (numbers: number[], integer: boolean) => number

const EVALUATORS: Record<string, Evaluator> = {
  Add: ([a, b]) => a! + b!,
  Sub: ([a, b]) => a! - b!,
  Mul: ([a, b]) => a! * b!,
  Div: ([a, b], integer) => (integer ? Math.trunc(a! / b!) : a! / b!),
  Mod: ([a, b]) => ((a! % b!) + b!) % b!,
  Pow: ([a, b]) => a! ** b!,
  Min: all => Math.min(...all),
  Max: all => Math.max(...all),
  Equal: ([a, b]) => Number(a === b),
  Greater: ([a, b]) => Number(a! > b!),
  Less: ([a, b]) => Number(a! < b!),
  Not: ([a]) => Number(!a),
  And: ([a, b]) => Number(a && b),
  Or: ([a, b]) => Number(a || b),
  Where: ([condition, a, b]) => (condition ? a! : b!),
  Neg: ([a]) => -a!,
  Abs: ([a]) => Math.abs(a!),
  Sqrt: ([a]) => Math.sqrt(a!),
  Floor: ([a]) => Math.floor(a!),
  Ceil: ([a]) => Math.ceil(a!),
  Cast: ([a], integer) => (integer ? Math.trunc(a!) : a!),
}

/** TensorProto.DataType of float, float16, double and bfloat16. */
const FLOATS = [1, 10, 11, 16]

function evaluate(call: Call, inputs: Traced[], shape: number[]): Numbers | undefined {
  const evaluator = EVALUATORS[call.node.op]
  const numbers = inputs.map(given => given.numbers)
  const count = product(shape)
  if (!evaluator || count > MOST_NUMBERS || numbers.some(given => given === undefined)) return undefined
  const integer = call.node.op === 'Cast' ? !FLOATS.includes(int(call, 'to')!) : numbers.every(given => given!.integer)
  const places = inputs.map(given => broadcastPlaces(given.shape, shape))
  return {
    data: range(count).map(o =>
      evaluator(
        inputs.map((_, k) => numbers[k]!.data[places[k]![o]!]!),
        integer,
      ),
    ),
    integer,
  }
}

/** For every element of a broadcast answer, the element of an input. */
function broadcastPlaces(from: number[], to: number[]): number[] {
  const sizes = lined(from, to.length, 1)
  return to.reduce((places, size, i) => places.flatMap(place => range(size).map(o => place * sizes[i]! + (sizes[i] === 1 ? 0 : o))), [0])
}

import { UprezError } from '../errors.js'
import type { Port } from '../models/card.js'
import { arrangementsOf } from './layout.js'
import type { OnnxFile, OnnxValue } from './onnx-file.js'

/** The types that pictures come in. */
const TYPES = ['float32', 'float16', 'uint8'] as const

/** A value that may be a picture. */
export interface PictureValue extends OnnxValue {
  type: Port['type']
}

/**
 * Input and output of a file that may be an upscaler, as far as what it declares tells.
 * @throws UprezError `not-an-upscaler` saying what it is instead; `invalid-onnx` where its weights lie elsewhere
 */
export function declaredPorts({ inputs, outputs, initializers }: OnnxFile): { input: PictureValue; output: PictureValue } {
  if (inputs.length !== 1) {
    throw notAnUpscaler('one input', inputs.length === 0 ? 'none' : `${inputs.length}: ${inputs.map(({ name }) => name).join(', ')}`)
  }
  const external = [...initializers.values()].find(tensor => tensor.external !== undefined)?.external
  if (external !== undefined) {
    const expected = 'a file that holds its weights'
    throw new UprezError('invalid-onnx', `expected ${expected}, but they lie in ${external}: save the model as one file`, {
      param: 'file',
      expected,
      got: external,
    })
  }
  const [input, output] = [inputs[0]!, outputs[0]!].map(picture) as [PictureValue, PictureValue]
  if (arrangementsOf(input).length === 0) throw notAnUpscaler(`1 or 3 channels for ${input.name}`, describe(input))
  return { input, output }
}

export function notAnUpscaler(expected: string, got: string): UprezError {
  return new UprezError('not-an-upscaler', `expected ${expected}, got ${got}`, { param: 'file', expected, got })
}

/** Type and dimensions, "?" for those that are free and have no name. */
export function describe({ type, dims }: OnnxValue): string {
  return `${type} ${dims === undefined ? 'of any shape' : dims.map(dim => dim || '?').join('×')}`
}

function picture(value: OnnxValue): PictureValue {
  const { name, type, dims } = value
  const known = TYPES.find(known => known === type)
  if (!known) throw notAnUpscaler(`${TYPES.join(', ')} for ${name}`, describe(value))
  if (dims !== undefined && dims.length !== 4) throw notAnUpscaler(`batch, channels, height and width for ${name}`, describe(value))
  if (typeof dims?.[0] === 'number' && dims[0] !== 1) throw notAnUpscaler(`one picture at a time for ${name}`, describe(value))
  return { ...value, type: known }
}

import { readFile } from 'node:fs/promises'
import { UprezError } from '../errors.js'
import { fromHalf } from '../half.js'
import { type Names, unpickle } from './unpickle.js'
import { storedEntries } from './zip.js'

/** One tensor of a file of weights, in the layout its maker used (PyTorch: [out, in, h, w]). */
export interface Weight {
  shape: number[]
  data: Float32Array
}

/**
 * Reads the tensors of a `.pth` or `.pt` file as `torch.save` writes it: the zip of PyTorch ≥ 1.6 and the row of pickles
 * of before. Nothing in the file is run; see unpickle.ts. All numbers become float32.
 * @returns the tensors by key, from the file's state dict: itself, or what it holds as `params_ema`, `params`, `state_dict` or `model`
 * @throws UprezError `no-input`, `invalid-weights`, `unsafe-weights`
 */
export async function readTorchFile(path: string): Promise<Map<string, Weight>> {
  const bytes = await readFile(path).catch(cause => {
    throw new UprezError('no-input', `${path} cannot be read`, { expected: 'a .pth or .pt file', got: path, cause })
  })
  try {
    const value = bytes.readUInt32LE(0) === 0x04034b50 ? fromZip(bytes, path) : fromPickles(bytes, path)
    return weightsOf(value, bytes.length, path)
  } catch (error) {
    if (error instanceof UprezError) throw error
    throw damaged(path, (error as Error).message, error)
  }
}

/** One storage of a file: a run of numbers that tensors are views of. */
interface Storage {
  numbers: Float32Array
}

interface Dtype {
  bytes: number
  read(view: DataView, at: number): number
}

const DTYPES: Record<string, Dtype> = {
  FloatStorage: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  DoubleStorage: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  HalfStorage: { bytes: 2, read: (view, at) => fromHalf(view.getUint16(at, true)) },
  BFloat16Storage: { bytes: 2, read: (view, at) => fromBfloat16(view.getUint16(at, true)) },
  LongStorage: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  IntStorage: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  ShortStorage: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  CharStorage: { bytes: 1, read: (view, at) => view.getInt8(at) },
  ByteStorage: { bytes: 1, read: (view, at) => view.getUint8(at) },
  BoolStorage: { bytes: 1, read: (view, at) => view.getUint8(at) },
}

/** Dimensions that a tensor of weights may have. */
const MOST_DIMENSIONS = 8

/** A tensor before its storage is known: the old layout has the numbers behind the pickle. */
class TensorView {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

const NAMES: Names = {
  'collections.OrderedDict': makeDictionary,
  'torch._utils._rebuild_tensor_v2': (storage, offset, shape, strides) => makeView(storage, offset, shape, strides),
  'torch._utils._rebuild_parameter': tensor => tensor,
  'torch.Size': (shape: unknown) => shape,
  ...Object.fromEntries(Object.entries(DTYPES).map(([name, dtype]) => [`torch.${name}`, dtype])),
}

/** NAME/data.pkl names storages, each an entry NAME/data/KEY. */
function fromZip(bytes: Buffer, path: string): unknown {
  const entries = storedEntries(bytes)
  const main = [...entries.keys()].find(name => name.endsWith('/data.pkl') || name === 'data.pkl')
  if (main === undefined) throw damaged(path, 'it is a zip without data.pkl')
  const root = main.slice(0, -'data.pkl'.length)
  if (entries.get(`${root}byteorder`)?.toString() === 'big') throw damaged(path, 'its numbers are big-endian')
  const storages = new Map<string, Storage>()
  const persistent = (id: unknown): Storage => {
    const { dtype, key, size } = storageId(id)
    const known = storages.get(key)
    if (known) return known
    const data = entries.get(`${root}data/${key}`)
    if (!data) throw damaged(path, `the numbers of storage ${key} are missing`)
    const storage = { numbers: readNumbers(data, dtype, size) }
    storages.set(key, storage)
    return storage
  }
  return unpickle(entries.get(main)!, 0, NAMES, persistent, path).value
}

/** Magic number, protocol, system, the object, the keys of its storages; then each storage: its length as i64, its numbers. */
function fromPickles(bytes: Buffer, path: string): unknown {
  const storages = new Map<string, { storage: Storage; dtype: Dtype }>()
  const persistent = (id: unknown): Storage => {
    const { dtype, key, view } = storageId(id)
    if (view !== null && view !== undefined) throw damaged(path, 'its storages are views of one another, which is not supported')
    const known = storages.get(key) ?? { storage: { numbers: new Float32Array(0) }, dtype }
    storages.set(key, known)
    return known.storage
  }
  let at = 0
  const next = () => {
    const { value, end } = unpickle(bytes, at, NAMES, persistent, path)
    at = end
    return value
  }
  if (next() !== MAGIC) throw damaged(path, 'it is no file of torch.save')
  if (next() !== 1001) throw damaged(path, 'its layout is of an unknown version')
  next()
  const object = next()
  const keys = next()
  if (!Array.isArray(keys)) throw damaged(path, 'the list of its storages is missing')
  for (const key of keys) {
    const known = storages.get(String(key))
    if (!known) throw damaged(path, `storage ${key} belongs to no tensor`)
    const size = Number(bytes.readBigInt64LE(at))
    const from = at + 8
    at = from + size * known.dtype.bytes
    if (size < 0 || at > bytes.length) throw damaged(path, 'it is cut off')
    known.storage.numbers = readNumbers(bytes.subarray(from, at), known.dtype, size)
  }
  return object
}

const MAGIC = Number(0x1950a86a20f9469cfc6cn)

/** ('storage', its class, key, device, length, view?) */
function storageId(id: unknown): { dtype: Dtype; key: string; size: number; view: unknown } {
  const [tag, dtype, key, , size, view] = Array.isArray(id) ? id : []
  if (tag !== 'storage' || typeof (dtype as Dtype | undefined)?.read !== 'function' || typeof key !== 'string' || !whole(size))
    throw new Error('a persistent id is no storage')
  return { dtype: dtype as Dtype, key, size, view }
}

function readNumbers(bytes: Buffer, dtype: Dtype, size: number): Float32Array {
  if (size * dtype.bytes > bytes.length) throw new Error('a storage is shorter than it says')
  // A copy, since the numbers may lie at any byte of the file.
  if (dtype === DTYPES.FloatStorage) return new Float32Array(Uint8Array.prototype.slice.call(bytes, 0, 4 * size).buffer)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const numbers = new Float32Array(size)
  for (let i = 0; i < size; i++) numbers[i] = dtype.read(view, i * dtype.bytes)
  return numbers
}

/** The list of its entries is used up: copied again and again, a short one could fill the memory. */
function makeDictionary(entries: unknown): Map<unknown, unknown> {
  return new Map(Array.isArray(entries) ? entries.splice(0) : [])
}

function makeView(storage: unknown, offset: unknown, shape: unknown, strides: unknown): TensorView {
  const fits =
    whole(offset) && Array.isArray(shape) && Array.isArray(strides) && shape.length === strides.length && shape.length <= MOST_DIMENSIONS
  if (!fits || !shape.every(whole) || !strides.every(whole) || !(storage as Storage | undefined)?.numbers) {
    throw new Error('a tensor has no proper shape')
  }
  // Copies: the pickle may still change its lists.
  return new TensorView(storage as Storage, offset, [...shape], [...strides])
}

function whole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** @param most numbers in all: tensors may share a storage, but not so that a small file stands for any number of weights */
function weightsOf(value: unknown, most: number, path: string): Map<string, Weight> {
  for (const name of ['params_ema', 'params', 'state_dict', 'model']) {
    if (value instanceof Map && value.get(name) instanceof Map) return weightsOf(value.get(name), most, path)
  }
  const weights = new Map<string, Weight>()
  let numbers = 0
  for (const [key, view] of value instanceof Map ? value : []) {
    if (!(view instanceof TensorView)) continue
    if (typeof key !== 'string') throw damaged(path, 'a tensor has no name')
    const weight = contiguous(view, key, path)
    weights.set(key, weight)
    numbers += weight.data.length
    if (numbers > most) throw damaged(path, 'its tensors hold more numbers than the file has bytes')
  }
  if (weights.size === 0) throw damaged(path, 'it holds no tensors by name')
  return weights
}

function contiguous(view: TensorView, key: string, path: string): Weight {
  const { storage, offset, shape, strides } = view
  const size = shape.reduce((product, side) => product * side, 1)
  const last = shape.reduce((sum, side, i) => sum + (side - 1) * strides[i]!, offset)
  // A stride of 0 would let a few bytes stand for any number of weights.
  if (size > 0 && (last >= storage.numbers.length || size > storage.numbers.length))
    throw damaged(path, `${key} reaches beyond its storage`)
  if (inOrder(view)) return { shape, data: storage.numbers.slice(offset, offset + size) }
  const data = new Float32Array(size)
  for (let i = 0; i < size; i++) {
    let rest = i
    let from = offset
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += (rest % shape[axis]!) * strides[axis]!
      rest = Math.floor(rest / shape[axis]!)
    }
    data[i] = storage.numbers[from]!
  }
  return { shape, data }
}

/** Number stands behind number, the last axis first. */
function inOrder({ shape, strides }: TensorView): boolean {
  let step = 1
  return shape.toReversed().every((side, i) => {
    const fits = side === 1 || strides.at(-1 - i) === step
    step *= side
    return fits
  })
}

/** The upper half of a float32. */
export function fromBfloat16(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!
}

function damaged(path: string, reason: string, cause?: unknown): UprezError {
  return new UprezError('invalid-weights', `${path}: ${reason}`, { expected: 'a file written by torch.save', got: reason, cause })
}

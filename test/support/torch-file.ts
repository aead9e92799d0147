import { crc32 } from 'node:zlib'

/**
 * Pickles and the files that torch.save puts them in, assembled opcode by opcode, so that a test can write what no program would.
 * Opcodes: CPython's Lib/pickletools.py.
 */

export const MARK = code('(')
export const STOP = code('.')
export const NONE = code('N')
export const POP = code('0')
export const EMPTY_LIST = code(']')
export const EMPTY_TUPLE = code(')')
export const EMPTY_DICT = code('}')
export const TUPLE = code('t')
export const TUPLE1 = code(0x85)
export const TUPLE2 = code(0x86)
export const LIST = code('l')
export const APPEND = code('a')
export const APPENDS = code('e')
export const SETITEM = code('s')
export const SETITEMS = code('u')
export const REDUCE = code('R')
export const BUILD = code('b')
export const OBJ = code('o')
export const NEWOBJ = code(0x81)
export const NEWOBJ_EX = code(0x92)
export const STACK_GLOBAL = code(0x93)
export const MEMOIZE = code(0x94)
export const PERSID = code('Q')

/** An opcode, and numbers behind it as bytes. */
export function code(opcode: string | number, ...bytes: number[]): Buffer {
  return Buffer.from([typeof opcode === 'string' ? opcode.charCodeAt(0) : opcode, ...bytes])
}

/** An opcode with a number of four bytes behind it. */
export function code4(opcode: string | number, value: number): Buffer {
  const bytes = code(opcode, 0, 0, 0, 0)
  bytes.writeUInt32LE(value >>> 0, 1)
  return bytes
}

export const global = (module: string, name: string): Buffer => Buffer.from(`c${module}\n${name}\n`)
export const inst = (module: string, name: string): Buffer => Buffer.from(`i${module}\n${name}\n`)
export const int = (value: number): Buffer => code4('J', value)
export const put = (index: number): Buffer => code4('r', index)
export const get = (index: number): Buffer => code4('j', index)

export function text(words: string): Buffer {
  const bytes = Buffer.from(words)
  return Buffer.concat([code4('X', bytes.length), bytes])
}

export const tuple = (...items: Buffer[]): Buffer => Buffer.concat([MARK, ...items, TUPLE])

export const dictionary = (entries: [key: Buffer, value: Buffer][]): Buffer =>
  Buffer.concat([EMPTY_DICT, MARK, ...entries.flat(), SETITEMS])

/** A whole pickle of protocol 2. */
export function pickle(...parts: Buffer[]): Buffer {
  return Buffer.concat([code(0x80, 2), ...parts, STOP])
}

export interface TensorParts {
  /** Of the storage. */
  key: Buffer
  dtype: Buffer
  size: Buffer
  offset: Buffer
  shape: Buffer
  strides: Buffer
}

/** A tensor as PyTorch pickles it; by default six floats of storage 0 as [2, 3]. */
export function tensor(other: Partial<TensorParts> = {}): Buffer {
  const { key, dtype, size, offset, shape, strides } = {
    key: text('0'),
    dtype: global('torch', 'FloatStorage'),
    size: int(6),
    offset: int(0),
    shape: tuple(int(2), int(3)),
    strides: tuple(int(3), int(1)),
    ...other,
  }
  const storage = Buffer.concat([tuple(text('storage'), dtype, key, text('cpu'), size), PERSID])
  const hooks = Buffer.concat([global('collections', 'OrderedDict'), EMPTY_TUPLE, REDUCE])
  return Buffer.concat([global('torch._utils', '_rebuild_tensor_v2'), tuple(storage, offset, shape, strides, code(0x89), hooks), REDUCE])
}

export const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)

/** The file of PyTorch ≥ 1.6. */
export function torchZip(object: Buffer, storages: Record<string, Buffer> = {}, others: ZipEntry[] = []): Buffer {
  const data = Object.entries(storages).map(([key, bytes]): ZipEntry => ({ name: `archive/data/${key}`, bytes }))
  return zip([{ name: 'archive/data.pkl', bytes: pickle(object) }, ...data, ...others])
}

/** The file of before 1.6. */
export function torchRow(object: Buffer, storages: Record<string, Buffer> = {}): Buffer {
  const magic = Buffer.concat([code(0x8a, 10), Buffer.from('6cfc9c46f9206aa85019', 'hex')])
  const keys = Buffer.concat([EMPTY_LIST, MARK, ...Object.keys(storages).map(text), APPENDS])
  const numbers = Object.values(storages).flatMap(bytes => {
    const length = Buffer.alloc(8)
    length.writeBigInt64LE(BigInt(bytes.length / 4))
    return [length, bytes]
  })
  return Buffer.concat([pickle(magic), pickle(int(1001)), pickle(EMPTY_DICT), pickle(object), pickle(keys), ...numbers])
}

export interface ZipEntry {
  name: string
  bytes: Buffer
  /** Size that the directory tells; default: that of the bytes. */
  size?: number
  /** Compression; default: 0, none. */
  method?: number
  /** Place of its header, where that is another's. */
  local?: number
}

/** PKWARE APPNOTE 6.3.10, 4.3.7 local header, 4.3.12 directory, 4.3.16 end. */
export function zip(entries: ZipEntry[]): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const { name, bytes, size = bytes.length, method = 0, local = at } of entries) {
    const title = Buffer.from(name)
    const header = Buffer.alloc(46)
    header.writeUInt32LE(0x02014b50, 0)
    header.writeUInt16LE(method, 10)
    header.writeUInt32LE(crc32(bytes), 16)
    header.writeUInt32LE(bytes.length, 20)
    header.writeUInt32LE(size, 24)
    header.writeUInt16LE(title.length, 28)
    header.writeUInt32LE(local, 42)
    directory.push(header, title)
    if (local !== at) continue
    // The local header has the same fields two bytes earlier, from the version on, without what is known of the disk.
    const own = Buffer.concat([header.subarray(0, 4), header.subarray(6, 32)])
    own.writeUInt32LE(0x04034b50, 0)
    parts.push(own, title, bytes)
    at += own.length + title.length + bytes.length
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(Buffer.concat(directory).length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, ...directory, end])
}

import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { deflateRawSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { UprezError } from '../../errors.js'
import { readTorchFile } from '../../nets/torch-file.js'
import { MUTATIONS } from '../soak/mutate.js'
import { random } from '../support/draw.js'
import {
  APPEND,
  APPENDS,
  dictionary,
  EMPTY_DICT,
  EMPTY_LIST,
  floats,
  get,
  global,
  int,
  MARK,
  NONE,
  POP,
  pickle,
  put,
  REDUCE,
  SETITEM,
  type TensorParts,
  TUPLE,
  TUPLE1,
  TUPLE2,
  tensor,
  text,
  torchRow,
  torchZip,
  tuple,
  zip,
} from '../support/torch-file.js'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-torch-'))
})
after(() => rm(folder, { recursive: true }))

for (const [layout, packed] of [
  ['the zip of today', zipped()],
  ['the row of pickles of before 1.6', pickles()],
] as const) {
  test(`tensors written by PyTorch are read: ${layout}`, async () => {
    const weights = await read(packed)
    assert.deepEqual([...weights.keys()], ['w', 'wt', 'h', 'n'])
    assert.deepEqual(weights.get('w'), { shape: [2, 3], data: Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25) })
    assert.deepEqual(weights.get('wt'), { shape: [3, 2], data: Float32Array.of(0, 0.75, 0.25, 1, 0.5, 1.25) }, 'a transposed view')
    assert.deepEqual(weights.get('h'), { shape: [4], data: Float32Array.of(0.5, -2, 65504, 2 ** -24) }, 'half precision')
    assert.deepEqual(weights.get('n'), { shape: [], data: Float32Array.of(7) }, 'a scalar of int64')
  })

  test(`a file cut or flipped anywhere is read or refused, with a code: ${layout}`, async () => {
    const bytes = unpack(packed)
    for (let at = 0; at < bytes.length; at += 13) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 0x55
      for (const damaged of [bytes.subarray(0, at), flipped]) {
        await readBytes(damaged).catch(error => assert.ok(error instanceof UprezError, `byte ${at}: ${error.stack}`))
      }
    }
  })
}

test('a pickle that would run a program is refused by name, and nothing runs', async () => {
  await assert.rejects(read(evil()), { code: 'unsafe-weights', got: 'posix.system' })
})

test('views that PyTorch can write are read: of a part of a storage, of a storage in common, in any order, of nothing', async () => {
  const numbers = floats(0, 1, 2, 3, 4, 5)
  const object = dictionary([
    [text('part'), tensor({ offset: int(2), shape: tuple(int(3)), strides: tuple(int(1)) })],
    [text('turned'), tensor({ shape: tuple(int(3), int(2)), strides: tuple(int(1), int(3)) })],
    [text('sparse'), tensor({ offset: int(1), shape: tuple(int(2), int(1)), strides: tuple(int(4), int(9)) })],
    [text('empty'), tensor({ offset: int(6), shape: tuple(int(0), int(4)), strides: tuple(int(4), int(1)) })],
  ])
  for (const file of [torchZip(object, { 0: numbers }), torchRow(object, { 0: numbers })]) {
    assert.deepEqual(Object.fromEntries(await readBytes(file)), {
      part: { shape: [3], data: Float32Array.of(2, 3, 4) },
      turned: { shape: [3, 2], data: Float32Array.of(0, 3, 1, 4, 2, 5) },
      sparse: { shape: [2, 1], data: Float32Array.of(1, 5) },
      empty: { shape: [0, 4], data: new Float32Array() },
    })
  }
})

/** Tensors that no program writes, and why each is refused. */
const TENSORS: Record<string, [reason: RegExp, other: Partial<TensorParts>]> = {
  'an offset beyond the storage': [/w reaches beyond its storage/, { offset: int(1) }],
  'an offset before it': [/no proper shape/, { offset: int(-1) }],
  'a negative stride': [/no proper shape/, { strides: tuple(int(3), int(-1)) }],
  'a stride beyond it': [/w reaches beyond its storage/, { strides: tuple(int(4), int(1)) }],
  'a stride of nothing': [/w reaches beyond its storage/, { shape: tuple(int(2), int(1000)), strides: tuple(int(3), int(0)) }],
  'a shape without end': [
    /w reaches beyond its storage/,
    { shape: tuple(int(2 ** 31 - 1), int(2 ** 31 - 1)), strides: tuple(int(0), int(0)) },
  ],
  'a negative side': [/no proper shape/, { shape: tuple(int(-2), int(-3)) }],
  'half a side': [/no proper shape/, { shape: tuple(Buffer.from('G\x3f\xe0\0\0\0\0\0\0', 'latin1'), int(3)) }],
  'sides that are words': [/no proper shape/, { shape: tuple(text('2'), text('3')) }],
  'a stride too few': [/no proper shape/, { strides: tuple(int(1)) }],
  'nine dimensions': [/no proper shape/, { shape: tuple(...Array(9).fill(int(1))), strides: tuple(...Array(9).fill(int(1))) }],
  'more numbers than the storage has bytes for': [/shorter than it says/, { size: int(7) }],
  'fewer than none': [/no storage/, { size: int(-6) }],
  'a size that is a list': [/no storage/, { size: EMPTY_LIST }],
  'numbers of twice the size': [/shorter than it says/, { dtype: global('torch', 'DoubleStorage') }],
  'numbers of no kind': [/no storage/, { dtype: text('FloatStorage') }],
  'a storage that is missing': [/storage 1 are missing/, { key: text('1') }],
  'a storage whose name is a list': [/no storage/, { key: EMPTY_LIST }],
}

for (const [name, [message, other]] of Object.entries(TENSORS)) {
  test(`a tensor that is none is refused: ${name}`, async () => {
    const file = torchZip(dictionary([[text('w'), tensor(other)]]), { 0: floats(0, 1, 2, 3, 4, 5) })
    await assert.rejects(readBytes(file), { code: 'invalid-weights', message })
  })
}

test('numbers of a kind that is no weight are refused by name', async () => {
  const file = torchZip(dictionary([[text('w'), tensor({ dtype: global('torch', 'ComplexFloatStorage') })]]), { 0: Buffer.alloc(48) })
  await assert.rejects(readBytes(file), { code: 'unsafe-weights', got: 'torch.ComplexFloatStorage' })
})

test('a shape that changes after its tensor was made changes nothing', async () => {
  const shape = Buffer.concat([EMPTY_LIST, put(0), MARK, int(2), int(3), APPENDS])
  const object = dictionary([
    [text('w'), tensor({ shape })],
    [text('later'), Buffer.concat([get(0), int(1000), APPEND])],
  ])
  assert.deepEqual((await readBytes(torchZip(object, { 0: floats(0, 1, 2, 3, 4, 5) }))).get('w')!.shape, [2, 3])
})

test('a dictionary that holds itself is refused', async () => {
  const object = Buffer.concat([EMPTY_DICT, put(0), text('params'), get(0), SETITEM])
  await assert.rejects(readBytes(torchZip(object)), { code: 'invalid-weights' })
})

const wide = 100_000
/** A small file that would fill any memory, or take any time, and why it does not. */
const BOMBS: Record<string, [reason: RegExp, file: () => Buffer]> = {
  'a hundred thousand dictionaries of one list of a hundred thousand': [
    /no tensors/,
    () => {
      const entries = Buffer.concat([EMPTY_LIST, put(0), MARK, ...numbered(i => Buffer.concat([int(i), NONE, TUPLE2])), APPENDS])
      const copy = Buffer.concat([global('collections', 'OrderedDict'), put(1), POP, entries])
      const copies = Array<Buffer>(wide).fill(Buffer.concat([get(1), get(0), TUPLE1, REDUCE]))
      return torchZip(Buffer.concat([MARK, copy, ...copies, TUPLE]))
    },
  ],
  'a hundred thousand tensors of one storage': [
    /more numbers than the file has bytes/,
    () => {
      const bytes = { dtype: global('torch', 'ByteStorage'), size: int(wide), shape: tuple(int(wide)), strides: tuple(int(1)) }
      const entries = numbered(i => [text(`w${i}`), get(0)] as [Buffer, Buffer])
      return torchZip(Buffer.concat([tensor(bytes), put(0), POP, dictionary(entries)]), { 0: Buffer.alloc(wide) })
    },
  ],
  'a thousand entries over one another': [
    /entries overlap/,
    () => {
      const others = Array.from({ length: 1000 }, (_, i) => ({ name: `archive/data/${i}`, bytes: Buffer.alloc(wide), local: 0 }))
      return zip([{ name: 'archive/data/x', bytes: Buffer.alloc(wide) }, ...others])
    },
  ],
  'a storage whose name is 2⁶⁰ lists': [/no storage/, () => torchZip(dictionary([[text('w'), tensor({ key: doubled() })]]), {})],
  'a storage whose size is 2⁶⁰ lists': [/no storage/, () => torchZip(dictionary([[text('w'), tensor({ size: doubled() })]]), {})],
  'a tensor whose name is 2⁶⁰ lists': [/no name/, () => torchZip(dictionary([[doubled(), tensor()]]), { 0: floats(0, 1, 2, 3, 4, 5) })],
  'ten megabytes of nothing, compressed': [
    /data.pkl in it is compressed/,
    () => {
      const bytes = deflateRawSync(Buffer.alloc(1e7))
      return zip([{ name: 'archive/data.pkl', bytes, size: 1e7, method: 8 }])
    },
  ],
}

for (const [name, [message, file]] of Object.entries(BOMBS)) {
  test(`a bomb is refused: ${name}`, { timeout: 60_000 }, async () => {
    await assert.rejects(readBytes(file()), { code: 'invalid-weights', message })
  })
}

test('a zip that says more than it has is refused', async () => {
  const whole = { name: 'archive/data.pkl', bytes: pickle(dictionary([[text('w'), tensor()]])) }
  const numbers = { name: 'archive/data/0', bytes: floats(0, 1, 2, 3, 4, 5) }
  const refused = (file: Buffer, message: RegExp) => assert.rejects(readBytes(file), { code: 'invalid-weights', message })
  const changed = (change: (file: Buffer) => void) => {
    const file = zip([whole, numbers])
    change(file)
    return file
  }
  await readBytes(zip([whole, numbers]))
  await refused(zip([whole, whole, numbers]), /archive\/data\.pkl stands in it twice/)
  await refused(zip([whole, { ...numbers, size: 25 }]), /is compressed/)
  await refused(zip([numbers]), /without data\.pkl/)
  await refused(zip([whole, numbers, { name: 'archive/byteorder', bytes: Buffer.from('big') }]), /big-endian/)
  await refused(
    changed(file => file.writeUInt16LE(3, file.length - 12)),
    /damaged|range/,
  )
  await refused(
    changed(file => file.writeUInt32LE(0xfffffff0, file.length - 6)),
    /range/,
  )
  await refused(
    changed(file => file.writeUInt32LE(0, file.length - 22)),
    /end is missing/,
  )
})

test('names that lead out of the archive lead nowhere: nothing is ever unpacked', async () => {
  const before = (await readdir(folder)).filter(name => name !== 'weights.pth')
  const object = dictionary([[text('w'), tensor({ key: text('../../../owned') })]])
  const others = ['../owned', '/tmp/owned', '..\\owned', 'archive/\0'].map(name => ({ name, bytes: Buffer.from('owned') }))
  const weights = await readBytes(torchZip(object, { '../../../owned': floats(0, 1, 2, 3, 4, 5) }, others))
  assert.deepEqual([...weights.keys()], ['w'])
  assert.deepEqual(
    (await readdir(folder)).filter(name => name !== 'weights.pth'),
    before,
  )
})

test('a row of pickles whose storages are amiss is refused', async () => {
  const object = dictionary([[text('w'), tensor()]])
  const numbers = floats(0, 1, 2, 3, 4, 5)
  const refused = (file: Buffer, message: RegExp) => assert.rejects(readBytes(file), { code: 'invalid-weights', message })
  const length = (value: bigint) => {
    const file = torchRow(object, { 0: numbers })
    file.writeBigInt64LE(value, file.length - numbers.length - 8)
    return file
  }
  await refused(length(7n), /cut off/)
  await refused(length(-1n), /cut off/)
  await refused(length(2n ** 62n), /cut off/)
  await refused(length(5n), /reaches beyond its storage/)
  await refused(torchRow(object, { 1: numbers }), /storage 1 belongs to no tensor/)
  await refused(torchRow(object), /reaches beyond its storage/)
})

for (const [layout, whole] of [
  ['zip', unpack(zipped())],
  ['row of pickles', unpack(pickles())],
] as const) {
  test(`whatever the damage, a ${layout} is read or refused, and holds no more numbers than it has bytes`, async () => {
    let read = 0
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(MUTATIONS)), fc.nat(), fc.nat(), async (first, second, seed) => {
        const again = Object.keys(MUTATIONS)[second % (3 * Object.keys(MUTATIONS).length)] ?? 'untouched'
        const next = random(seed)
        const bytes = MUTATIONS[again]!(MUTATIONS[first]!(whole, next), next)
        try {
          const weights = await readBytes(bytes)
          const numbers = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0)
          assert.ok(numbers <= bytes.length)
          read++
        } catch (error) {
          assert.ok(error instanceof UprezError && /^(in|un)/.test(error.code), (error as Error).stack)
        }
      }),
      { numRuns: 1000 },
    )
    assert.ok(read > 20, `${read} of 1000 were read: the others prove little`)
  })
}

test('a file of another kind is refused', async () => {
  for (const bytes of [Buffer.from('not weights at all'), Buffer.alloc(0), Buffer.from([0x80, 2, 0x7d, 0x2e])]) {
    await assert.rejects(readBytes(bytes), { code: 'invalid-weights' })
  }
  await assert.rejects(readTorchFile(join(folder, 'missing.pth')), { code: 'no-input' })
})

function read(packed: string) {
  return readBytes(unpack(packed))
}

async function readBytes(bytes: Buffer) {
  const path = join(folder, 'weights.pth')
  await writeFile(path, bytes)
  return readTorchFile(path)
}

function numbered<T>(of: (i: number) => T): T[] {
  return Array.from({ length: wide }, (_, i) => of(i))
}

/** [[[…], […]], […]], whose every list stands in the one above it twice. */
function doubled(): Buffer {
  return Buffer.concat([EMPTY_LIST, ...Array.from({ length: 60 }, (_, i) => Buffer.concat([put(i), get(i), TUPLE2]))])
}

function unpack(packed: string): Buffer {
  return inflateSync(Buffer.from(packed, 'base64'))
}

/**
 * What PyTorch 2.15 wrote of
 *   a = torch.arange(6.0).reshape(2, 3) / 4
 *   sd = {'w': a, 'wt': a.t(), 'h': torch.tensor([0.5, -2.0, 65504.0, 6e-8]).half(), 'n': torch.tensor(7)}
 *   torch.save({'params_ema': sd, 'step': 3}, path)
 */
function zipped(): string {
  return (
    'eNqlVF1v0lAYPm2hQOcXDifza37LojJgMOBimzamMamJDGNCdtN00FFiobzlsOnMkiVmxN36A4z/wlv/gl6oMV5pzOKVP0HPaYG1jG3ZPMnhJIf3ed6n7/s+' +
    'pyBzPoSCQbRrCSiK1qYqKlbjzWeGJEbQ4pC1wa4DipUEAmiqllpvKVpdBWYd2FiJIZerwJWxaZX1uNLGNaMlKJa21K4ZFQVrjZZpKSspAXyxWClAglskUq1q' +
    '4HcggmSYKn7iXArA24QJCJQ4cpabbQjKPIbQgoxkVuY6IMiczHRgZKtcNg1DK+Oa2WgJj62KZmmVB7UyFuDYZBGOYzhRhJMllsrDcEon6XW/zusB3SYMU0JO' +
    'ZjtwWmYo7+iWTnERDGeKMGar0OGsA+sqfagay32hUTskCeOEz4fhHOXzbcJ5mdmECw7XRQyXijBhBzbgsofrkdmo9rmu2CEpuEq4GAzXCNfkpMNxHcONItxs' +
    'l3x26bQm3JK5drwgB4IBmfn2hgDpLuzZ4TCaIh2OL5tWXcXKima1SMEk8fbQRu+xkjTd+z/fX1GZdO+dLoJmabpukxXVqFUbda2BJTF/mIzeNZOmAuZX4Tdt' +
    'J7uvgBHkJwKWXmDNpDMhiQxaNGoYGxrl2Jz9Oc6TKH5fjiDydV0xlZDE3u3GHPmZR+ge2Rtkv5unjMVf2xNR8kf0AMZUjzEpifFDlgLl0Ie/LxlE83UM5nXQ' +
    'Ztw/n9jLl5LEuaOX3l6BLivN3/y8bR6cP4Tuk/z9aZv9PwHTAs388W316cH9j5JikQG0P72lWTUygWsqfSSUWkUS00cSksil8+lcLpfO5mcyiXQuO51JJNOJ' +
    'bCaVyScT09lsNplOZWeyVCVnjX6JER0xWyXD2t3o6nQ7VtilfOcdHsS5rRf2YH4waLe7B+Fu40Q88AUWDXXrIIPbNiMehk82Q99ug0C3O7zNGuNQ32ODKPeM' +
    'e1H6Dio5iHJPphf1dQeVGkS5pyrkQdEntz/DgzB3m6Peitiw4QNYkHn+TjfuEnfXZRfvGWad87m/Zzze9uBW14nOG+znHUzIjndi/wFjsZqP'
  )
}

/** torch.save(sd, path, _use_new_zipfile_serialization=False) */
function pickles(): string {
  return (
    'eNptksuO0zAUhu04bcEww3BnuA43qd1UUNq03TAs0AjJXMPGGxSV1EyCrLgncQYBGqmbqRiegQVLHoPX4RGQkOC4KQMj1ZId5fjk+//fztT7zPWvL1s/N95+' +
    'e77ennpPfjBcd4E05RohZJIba2Kjox2VF6nJgGKDXMEdnVqrVaSycTrKwPskORbt+4mKivSDKoDtgt+UNSwWickt1IQnGb6lmYW68KXvGCbbhobwy/KvJsXq' +
    'O6CxNXmctKPSprrgUa5el6keR1ZlhcmjnQ4Hr9mUDQfHztG2AlZ9wre0GdmXVZGDL1exZ9gNBt2gPwz6Qad7B2pzH/GkRB/1pxYaLwQRnmAzOCKYoDM4uh9j' +
    'ZK1ii4kL/iwfq1yNH6ax5cBbIRyzcDyEFek5sxZWEzSTsGSp2ImkEllzIkx4MzgpqNM6tZ841mkLZ0I4Ow+ewLkKtcjyaKTfHEQ5f4je6/YGvQAuIN1H+rqj' +
    '+3twUdA9uFSRL1u4EsLVOTmDa4fIj/HgD8gb/8gIHvbvdu514DqSKZJvILnVqog3LdwK4ba7rFfuspYYosvOwFsmwFTb/QLzMSDff3+kpE7+H9P7uGwS8gDn' +
    'FOfXTbrYaSyefwAU8a3P'
  )
}

/** torch.save of a dictionary that holds `a` and an object whose `__reduce__` is (os.system, ('touch owned',)) */
function evil(): string {
  return (
    'eNqdVM+P0kAYnbZQYPAXGw54UU+KRljKQoHDimlMLz2IGA3ZxDTddpZtLJRpB9jdxITE7CYeTTwbLyaevei/4cmLN2OMJ/8Fpy1iW1hcnWSYMP3e+17f96Cj' +
    'cAkA0mmwtCAogKNNQyNaefTUkqU82FmxZuwzDIo9hgKmmNGJ7ej7ZXVMTMuFqoN2x6ZlqAQNXdtRJ1WI2WKxl6LFLq3U+ghzAQTKlq2Rh8ElxAmfsIKTPY6e' +
    '+miMeYUnOPVAAQqrcCc4rXAKc4IzL3TdtiykE9MeuvC+YyAHGfdMnUAMb3ZxluBzXXzeZzvAF/SR7ZoH0D10CRpAfLGXpffEHuv71+zpEBn40jHOdfHGuNxR' +
    'UulJkn/1mRZ4u3OqTTlwi9pU3rOdgUbUCXJcKkWWrq90a3kJXqcPP7889yQyazvlwbbXae6cqllmfzhAQyJLrTM2W7HEmiegPcU/WNqCXSsgC5JUwO4hQbZn' +
    'tCwxYMcyCbGQx3G8/fUyT6v4tRxpkJinarMiS79vZ3foRxuAu3TP6H7T9hi7375fLdAHhbWMGSBQxoXxpX/zYgt6nT697j/6+/sXQNMbgC/eRY5JJ3CkeclT' +
    'TUOWav81BKHeqDaFVqsuCM16TaxtVapipS4KFbHRqAstQRQatKLmT6nzfq9UpDqKvkqG9f2c6wyHFS4p//M7juPC0ctFMDcYsBzsODwcnHwE/jKAL6U1zhCO' +
    'TTbCsMGCcNziwHA6osN6zIJFxuKo8KQzEdQ7H3XKe4atL0RVcuDUUHQUnr89r7vClRaYVOx8ywTnR27eTeH9R0+SwffgfyHJB5iUXx/U/gL1IyL/'
  )
}

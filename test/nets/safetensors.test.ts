import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { readSafetensors, safetensors } from '../../nets/safetensors.js'
import { MUTATIONS } from '../soak/mutate.js'
import { random } from '../support/draw.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()

async function file(name: string, header: object, data: Uint8Array): Promise<string> {
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  await writeFile(join(home, name), Buffer.concat([length, text, data]))
  return join(home, name)
}

const floats = (values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const tensor = (shape: number[], from: number, to: number, dtype = 'F32') => ({ dtype, shape, data_offsets: [from, to] })

test('tensors come by name, wherever their numbers lie in the file', async () => {
  const numbers = floats([1, 2, 3, 4, 5, 6, 7])
  for (const padding of ['', ' ', '  ', '   ']) {
    const header = { __metadata__: { format: 'pt', padding }, b: tensor([1], 24, 28), a: tensor([2, 3], 0, 24) }
    const tensors = await readSafetensors(await file('good.safetensors', header, numbers))
    assert.deepEqual([...tensors.keys()], ['b', 'a'])
    assert.deepEqual(tensors.get('a'), { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) })
    assert.deepEqual(tensors.get('b'), { shape: [1], data: Float32Array.of(7) })
  }
})

test('other floating-point numbers become float32', async () => {
  const numbers = Buffer.alloc(12)
  numbers.writeDoubleLE(-0.25, 0)
  numbers.writeUInt16LE(0x3c00, 8)
  numbers.writeUInt16LE(0xbfc0, 10)
  const header = { d: tensor([], 0, 8, 'F64'), h: tensor([1], 8, 10, 'F16'), b: tensor([1], 10, 12, 'BF16') }
  const tensors = await readSafetensors(await file('kinds.safetensors', header, numbers))
  assert.deepEqual(
    [...tensors.values()].map(({ data }) => data),
    [Float32Array.of(-0.25), Float32Array.of(1), Float32Array.of(-1.5)],
  )
})

test('what is written is read again, whatever the names are', async () => {
  const weights = new Map([
    ['gewölbt.weight', { shape: [2, 1], data: Float32Array.of(1, -2) }],
    ['scalar', { shape: [], data: Float32Array.of(Math.fround(0.1)) }],
  ])
  const path = join(home, 'written.safetensors')
  await writeFile(path, safetensors(weights, { made_by: 'a test' }))
  assert.deepEqual(await readSafetensors(path), weights)
})

test('whatever the damage, a file is read or refused', async () => {
  const weights = new Map([
    ['conv.weight', { shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) }],
    ['conv.bias', { shape: [2], data: Float32Array.of(6, 7) }],
  ])
  const whole = safetensors(weights, { format: 'pt' })
  const path = join(home, 'damaged.safetensors')
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.values(MUTATIONS)), fc.nat(), async (mutation, seed) => {
      await writeFile(path, mutation(whole, random(seed)))
      const read = await readSafetensors(path).catch(error => assert.equal(error.code, 'invalid-weights', error.stack))
      for (const { shape, data } of read?.values() ?? []) {
        assert.equal(
          data.length,
          shape.reduce((a, b) => a * b, 1),
        )
      }
    }),
    { numRuns: 500 },
  )
})

test('damaged files and numbers of another kind are refused, with the reason', async () => {
  const refused = async (path: string, message: RegExp) => assert.rejects(readSafetensors(path), { code: 'invalid-weights', message })
  await refused(await file('short', { a: tensor([2, 3], 0, 24) }, floats([1])), /a has 4 bytes, its shape needs 24/)
  await refused(await file('shape', { a: tensor([2], 0, 4) }, floats([1])), /a has 4 bytes, its shape needs 8/)
  await refused(await file('whole', { a: tensor([2], 0, 4, 'I32') }, floats([1])), /a holds I32/)
  await refused(await file('header', { a: 1 }, floats([1])), /no whole safetensors file/)
  const same = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`w${i}`, tensor([50_000], 0, 200_000)]))
  await refused(await file('bomb', same, floats(Array(50_000).fill(1))), /its tensors overlap/)
  await writeFile(join(home, 'text'), 'no such thing')
  await refused(join(home, 'text'), /no whole safetensors file/)
  await assert.rejects(readSafetensors(join(home, 'missing')), { code: 'no-input' })
})

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSafetensors } from '../../nets/safetensors.js'
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

test('damaged files and numbers that are no float32 are refused, with the reason', async () => {
  const refused = async (path: string, message: RegExp) => assert.rejects(readSafetensors(path), { code: 'invalid-weights', message })
  await refused(await file('short', { a: tensor([2, 3], 0, 24) }, floats([1])), /a has 4 bytes, its shape needs 24/)
  await refused(await file('shape', { a: tensor([2], 0, 4) }, floats([1])), /a has 4 bytes, its shape needs 8/)
  await refused(await file('half', { a: tensor([2], 0, 4, 'F16') }, floats([1])), /a holds F16/)
  await refused(await file('header', { a: 1 }, floats([1])), /no whole safetensors file/)
  await writeFile(join(home, 'text'), 'no such thing')
  await refused(join(home, 'text'), /no whole safetensors file/)
  await assert.rejects(readSafetensors(join(home, 'missing')), { code: 'no-input' })
})

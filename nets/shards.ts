import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'

/**
 * The bytes of all weights that a `model.json` lists, in its order, from the files beside it.
 * @throws UprezError `not-a-run` naming the file that is missing, or those that have other than the bytes that the weights take
 */
export async function readShards(dir: string, manifest: TF.io.WeightsManifestConfig): Promise<ArrayBuffer> {
  const groups: Buffer[] = []
  for (const { paths, weights } of manifest) {
    const parts = await Promise.all(paths.map(path => readShard(dir, path)))
    const [expected, got] = [sum(weights.map(bytesOf)), sum(parts.map(({ length }) => length))]
    if (got !== expected && !Number.isNaN(expected)) throw otherSize(dir, paths, parts, expected, got)
    groups.push(...parts)
  }
  return new Uint8Array(Buffer.concat(groups)).buffer
}

async function readShard(dir: string, path: string): Promise<Buffer> {
  return await readFile(join(dir, path)).catch((cause: NodeJS.ErrnoException) => {
    const got = cause.code === 'ENOENT' ? 'no such file' : cause.message
    throw new UprezError('not-a-run', `${join(dir, path)}: model.json expects a file of weights here, got ${got}`, {
      param: path,
      expected: 'a file of weights',
      got,
      cause,
    })
  })
}

const BYTES: Record<string, number> = { float32: 4, int32: 4, float16: 2, uint16: 2, uint8: 1, bool: 1, complex64: 8 }

/** NaN for text, whose bytes are not known beforehand. */
function bytesOf({ shape, dtype, quantization }: TF.io.WeightsManifestEntry): number {
  return shape.reduce((size, side) => size * side, 1) * (BYTES[quantization?.dtype ?? dtype] ?? Number.NaN)
}

function otherSize(dir: string, paths: string[], parts: Buffer[], expected: number, got: number): UprezError {
  const files = paths.map((path, i) => `${path} (${parts[i]!.length})`).join(', ')
  const message = `${dir}: expected ${expected} bytes of weights, got ${got}: ${files}`
  return new UprezError('not-a-run', message, { param: paths.join(', '), expected: `${expected} bytes`, got: `${got} bytes` })
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** PyTorch as a judge, for tests that run where UPREZ_TEST_TORCH names a Python that has it. */

const python = process.env.UPREZ_TEST_TORCH
/** From `dist/test/support/` to `test/peers/`. */
const program = fileURLToPath(new URL('../../../test/peers/networks.py', import.meta.url))

/** Why such a test is left out, or false. */
export const withoutTorch = python ? false : 'UPREZ_TEST_TORCH names no python that has torch'

/** What test/peers/networks.py answers to a command. */
export function askTorch(...words: string[]): unknown {
  const { status, stdout, stderr } = spawnSync(python!, [program, ...words], { encoding: 'utf8', maxBuffer: 1e8 })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}

/** The numbers that it wrote. */
export async function readFloats(file: string): Promise<Float32Array> {
  const bytes = await readFile(file)
  return new Float32Array(Uint8Array.prototype.slice.call(bytes).buffer)
}

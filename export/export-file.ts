import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { checkWritable, writeAtomic } from '../atomic.js'
import type { Value } from './graph.js'
import { type NetworkOptions, observedSizes, openNetwork } from './network.js'
import { serialize } from './onnx.js'
import { checkPasses, simplify } from './passes/index.js'
import { readModel } from './read.js'
import { compareWithTfjs, type Parity } from './verify.js'

export interface FileOptions extends NetworkOptions {
  /** The file to write. */
  output: string
  /** Passes that do not run. */
  without?: string[]
  /** Receives one line per stage. */
  say?: (line: string) => void
}

export interface WrittenFile {
  file: string
  bytes: number
  sha256: string
  inputs: Value[]
  outputs: Value[]
  /** Passes that found something to do. */
  passes: string[]
  parity: Parity
}

/**
 * Writes any tfjs LayersModel as one ONNX file, compared with tfjs; for networks that enlarge pictures `exportRun` writes more.
 * @throws UprezError `not-a-run`, `unsupported-layer`, `invalid-weights`, `parity-failed`, `invalid-option`, `not-writable`
 */
export async function exportFile(options: FileOptions): Promise<WrittenFile> {
  const { say = () => {}, without = [] } = options
  const file = resolve(options.output)
  checkPasses(without)
  await checkWritable(file)
  const { tf, model, about, ops } = await openNetwork(options)
  const { graph, applied } = simplify(readModel(model, ops).graph, { without })
  const bytes = serialize(graph)
  say('comparing with TensorFlow.js')
  const parity = await compareWithTfjs(tf, model, bytes, about ?? observedSizes(tf, model))
  model.dispose()
  await writeAtomic(file, bytes)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { file, bytes: bytes.length, sha256, inputs: graph.inputs, outputs: graph.outputs, passes: applied, parity }
}

import { readFile } from 'node:fs/promises'
import ort from 'onnxruntime-node'
import type { Graph } from '../../../export/graph.js'
import { serialize } from '../../../export/onnx.js'
import { readOnnx } from '../../../probe/onnx-file.js'

/** How often each op stands in what ONNX Runtime makes of a graph on a CPU; it goes through a file. */
export async function optimizedOps(graph: Graph, file: string): Promise<Record<string, number>> {
  const options = { executionProviders: ['cpu'], optimizedModelFilePath: file, logSeverityLevel: 3 as const }
  await (await ort.InferenceSession.create(serialize(graph), options)).release()
  const counts: Record<string, number> = {}
  for (const { op } of readOnnx(await readFile(file), file).nodes) counts[op] = (counts[op] ?? 0) + 1
  return counts
}

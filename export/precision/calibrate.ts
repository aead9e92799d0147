import type { Image } from '../../image/image.js'
import { toPlanes } from '../../probe/halo.js'
import { openSession } from '../../probe/session.js'
import { type Graph, node, type Value } from '../graph.js'
import { serialize } from '../onnx.js'
import type { Range } from './int8.js'

/**
 * The range of each value over the pictures, in float32. The whole range: to cut off its ends, as the least mean square would,
 * keeps finer steps and costs the strongest edges (measured on fast-x4: 0.36 dB instead of 0.07).
 * @param pictures what the network is given: RGB
 */
export async function measureRanges(graph: Graph, values: ReadonlySet<string>, pictures: Image[]): Promise<Map<string, Range>> {
  const names = [...values]
  const session = await openSession(serialize(withExtremes(graph, names)))
  const ranges = new Map(names.map(name => [name, { low: Infinity, high: -Infinity }]))
  try {
    for (const picture of pictures) {
      const extremes = await session.runAll([toPlanes(picture)])
      for (const [i, range] of [...ranges.values()].entries()) {
        range.low = Math.min(range.low, extremes[2 * i]!.data[0]!)
        range.high = Math.max(range.high, extremes[2 * i + 1]!.data[0]!)
      }
    }
  } finally {
    await session.close()
  }
  return ranges
}

/** The graph with other answers: for each value its smallest and its largest number. The values themselves would be much to copy. */
function withExtremes(graph: Graph, names: string[]): Graph {
  const extremes = names.flatMap(name =>
    ['ReduceMin', 'ReduceMax'].map(op => node(op, [name], [`${name}/${op}`], { keepdims: { int: 0 } })),
  )
  const outputs = extremes.map(({ outputs }): Value => ({ name: outputs[0]!, type: 'float32', dims: [] }))
  return { ...graph, nodes: [...graph.nodes, ...extremes], outputs }
}

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Graph, node } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { nearestGraph } from '../support/model.js'
import { temporaryFolder } from '../support/training.js'
import { everyGraph } from './variety.js'

const python = process.env.UPREZ_TEST_ONNX
const without = python ? false : 'UPREZ_TEST_ONNX names no python that has onnx'
const program = fileURLToPath(new URL('../../../test/peers/check.py', import.meta.url))

const folder = await temporaryFolder()

/** What onnx's checker has against graphs, by their names. */
async function check(graphs: Map<string, Graph>): Promise<{ onnx: string; wrong: Record<string, string> }> {
  const files = [...graphs].map(([name, graph]) => ({ name, file: join(folder, `${name.replace(/\W+/g, '-')}.onnx`), graph }))
  for (const { file, graph } of files) await writeFile(file, serialize(graph))
  const { status, stdout, stderr } = spawnSync(python!, [program, ...files.map(({ file }) => file)], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  const { onnx, wrong } = JSON.parse(stdout) as { onnx: string; wrong: Record<string, string> }
  return { onnx, wrong: Object.fromEntries(files.filter(({ file }) => file in wrong).map(({ name, file }) => [name, wrong[file]!])) }
}

test("onnx's own checker and strict shape inference accept every file that is written", { skip: without }, async t => {
  const graphs = await everyGraph()
  const { onnx, wrong } = await check(graphs)
  t.diagnostic(`onnx ${onnx}: ${[...graphs.keys()].join(', ')}`)
  assert.deepEqual(wrong, {})
})

test('a graph that is wrong is not accepted', { skip: without }, async () => {
  const right = nearestGraph(2)
  const [first, ...rest] = right.nodes
  const unknown = { ...right, nodes: [{ ...first!, op: 'Wobble' }, ...rest] }
  const misshapen = { ...right, outputs: [{ ...right.outputs[0]!, dims: ['batch', 5, 'h', 'w'] }] }
  const unordered = { ...right, nodes: right.nodes.toReversed() }
  const twice = { ...right, nodes: [...right.nodes, node('Identity', ['input'], ['output'])] }
  const { wrong } = await check(new Map(Object.entries({ right, unknown, misshapen, unordered, twice })))
  assert.deepEqual(Object.keys(wrong), ['unknown', 'misshapen', 'unordered', 'twice'])
})

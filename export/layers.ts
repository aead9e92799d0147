import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { UprezError } from '../errors.js'
import type { Tf } from '../nets/engine.js'
import type { LayerCall, Ops } from './ops/call.js'

/** What a module given by `--layers` exports as its default, by layer class. */
export type UserLayers = Record<
  string,
  {
    /** Makes the class that tfjs loads a saved layer with; not needed where tfjs, or we, have one. */
    layer?: (tf: Tf) => unknown
    /** Writes a call of the layer into the graph and returns the name of its answer. */
    toOnnx: (call: LayerCall) => string
  }
>

/** The layers of a user's module. */
export interface OpenedLayers {
  ops: Ops
  /** Makes tfjs know their classes: before a network is loaded. */
  register(tf: Tf): void
}

const func = <F>() => z.custom<F>(value => typeof value === 'function', { error: 'expected a function' })
const schema = z.record(
  z.string().min(1),
  z.strictObject({ layer: func<(tf: Tf) => unknown>().optional(), toOnnx: func<(call: LayerCall) => string>() }),
)

/**
 * Reads a user's ES module of layer classes.
 * @throws UprezError `invalid-module` naming the class and what is wrong with it; its ops throw the same, naming the layer too
 */
export async function openLayers(path: string): Promise<OpenedLayers> {
  const module = (await import(pathToFileURL(resolve(path)).href).catch(cause => {
    throw invalid(path, `it cannot be loaded: ${messageOf(cause)}`, cause)
  })) as { default?: unknown }
  const { data, error } = schema.safeParse(module.default)
  if (error) {
    const [issue] = error.issues
    const place = issue!.path.length > 0 ? issue!.path.join('.') : 'its default export'
    throw invalid(path, `${place}: ${issue!.message}`)
  }
  const layers = data as UserLayers
  return {
    ops: Object.fromEntries(Object.entries(layers).map(([name, { toOnnx }]) => [name, (call: LayerCall) => checked(path, call, toOnnx)])),
    register(tf) {
      for (const [name, { layer }] of Object.entries(layers)) if (layer) registerClass(tf, path, name, layer)
    },
  }
}

function registerClass(tf: Tf, path: string, name: string, make: (tf: Tf) => unknown): void {
  let made: unknown
  try {
    made = make(tf)
  } catch (cause) {
    throw invalid(path, `${name}.layer throws: ${messageOf(cause)}`, cause)
  }
  const { className, prototype } = (typeof made === 'function' ? made : {}) as { className?: unknown; prototype?: unknown }
  if (!(prototype instanceof tf.layers.Layer))
    throw invalid(path, `${name}.layer: expected a class that extends tf.layers.Layer, got ${typeof made}`)
  if (className !== name) throw invalid(path, `${name}.layer: expected static className = '${name}', got ${String(className)}`)
  tf.serialization.registerClass(made as never)
}

/** What comes back must be a value that the op was given or that it made. */
function checked(path: string, call: LayerCall, toOnnx: (call: LayerCall) => string): string {
  const place = `layer ${call.layer.name}, ${call.layer.getClassName()}.toOnnx`
  const values = new Set(call.inputs)
  const noted = (name: string) => {
    values.add(name)
    return name
  }
  let answer: unknown
  try {
    answer = toOnnx({ ...call, add: (...node) => noted(call.add(...node)), constant: (...constant) => noted(call.constant(...constant)) })
  } catch (cause) {
    if (cause instanceof UprezError) throw cause
    throw invalid(path, `${place} throws: ${messageOf(cause)}`, cause)
  }
  if (typeof answer === 'string' && values.has(answer)) return answer
  throw invalid(
    path,
    `${place}: expected the name of a value of this call, got ${typeof answer === 'string' ? `"${answer}"` : typeof answer}`,
  )
}

function invalid(path: string, reason: string, cause?: unknown): UprezError {
  const expected = 'an ES module whose default export holds { layer?, toOnnx } by layer class, see docs/models.md'
  return new UprezError('invalid-module', `${path}: ${reason}`, { param: 'layers', expected, got: path, cause })
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

import { UprezError } from '../errors.js'

/** As Keras and tfjs save it: each call of a layer names the values it takes, as [layer, number of its call, …]. */
interface SavedLayer {
  name?: string
  class_name?: string
  inbound_nodes?: unknown[]
  /** Of a network within the network: its layers. */
  config?: { layers?: unknown } | unknown[]
}

/**
 * Checks that every call of a saved network can be made, in networks within it, too: tfjs would look for a missing value without end.
 * @throws UprezError `not-a-run` naming a layer and what it waits for
 */
export function refuseDangling(file: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if ('layers' in value && Array.isArray(value.layers)) refuseWaiting(file, value.layers as SavedLayer[])
  for (const part of Object.values(value)) refuseDangling(file, part)
}

function refuseWaiting(file: string, layers: SavedLayer[]): void {
  const made = new Map<string, number>()
  const isMade = ([layer, call]: [string, number]) => (made.get(layer) ?? 0) > call
  const count = (name = '') => made.set(name, (made.get(name) ?? 0) + 1)
  // The first call of a network within is the one that made it.
  for (const layer of layers) if (layer.class_name === 'InputLayer' || isNetwork(layer)) count(layer.name)
  let waiting = layers.flatMap(({ name, inbound_nodes = [] }) => inbound_nodes.map(call => ({ name, takes: valuesIn(call) })))
  for (let before = -1; before !== waiting.length; ) {
    before = waiting.length
    waiting = waiting.filter(({ name, takes }) => {
      const ready = takes.every(isMade)
      if (ready) count(name)
      return !ready
    })
  }
  const [first] = waiting
  if (!first) return
  const missing = first.takes.find(value => !isMade(value))!
  const [expected, got] = [
    "layers that take the input or one another's answers, in no circle",
    `layer ${first.name}, which waits for ${missing[0]}`,
  ]
  throw new UprezError('not-a-run', `${file}: expected ${expected}, got ${got}`, { param: first.name ?? file, expected, got })
}

const isNetwork = ({ config }: SavedLayer): boolean => Array.isArray(config) || Array.isArray(config?.layers)

function valuesIn(call: unknown): [string, number][] {
  return Array.isArray(call) ? call.filter((value): value is [string, number] => Array.isArray(value)) : []
}

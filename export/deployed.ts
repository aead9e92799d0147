import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../nets/engine.js'
import type { CollapsibleLayer } from '../nets/layers/collapsible-conv.js'

/** What a network computes but for its weights: every layer with what is not only of use in training. */
export type Topology = {
  className: string
  name: string
  /** Names of the layers it reads. */
  inputs: string[]
  options: Record<string, unknown>
}[]

/**
 * The network as it is deployed: collapsible convolutions hold the one kernel that they amount to. The same answers.
 * @param model is used up
 */
export async function deployed(tf: Tf, model: TF.LayersModel): Promise<{ model: TF.LayersModel; topology: Topology }> {
  const saved = model.toJSON(undefined, false) as unknown as { config: { layers: SavedLayer[] } }
  for (const { class_name, config } of saved.config.layers) {
    if (class_name === 'CollapsibleConv2D') Object.assign(config, { expansion: 0, identity: false })
  }
  const plain = await tf.loadLayersModel({ load: async () => ({ modelTopology: saved }) })
  for (const layer of plain.layers) {
    const source = model.getLayer(layer.name)
    if (!('collapsed' in source)) layer.setWeights(source.getWeights())
    else {
      const { kernel, bias } = (source as CollapsibleLayer).collapsed()
      layer.setWeights([kernel, bias])
      kernel.dispose()
    }
  }
  model.dispose()
  return { model: plain, topology: saved.config.layers.map(readLayer) }
}

interface SavedLayer {
  class_name: string
  name: string
  config: Record<string, unknown>
  inbound_nodes: [string, number, number, object][][]
}

/** Where training began, and what held it: nothing of it is left in what the layer computes. */
const OF_TRAINING = /(_initializer|_regularizer|_constraint)$|^(name|seed|gain|trainable|dtype)$/

function readLayer({ class_name, name, config, inbound_nodes }: SavedLayer): Topology[number] {
  const options = Object.entries(config).filter(([option]) => !OF_TRAINING.test(option))
  return { className: class_name, name, inputs: inbound_nodes.flat().map(([input]) => input), options: Object.fromEntries(options.sort()) }
}

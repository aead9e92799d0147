import { stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../../errors.js'
import { sha256Of } from '../../file-sum.js'
import { setupCommand } from '../../setup-command.js'
import type { Tf } from '../engine.js'
import { loadModel } from '../model-files.js'
import { readSafetensors } from '../safetensors.js'
import { readTorchFile, type Weight } from '../torch-file.js'
import type { FeatureInput } from './input.js'

/**
 * VGG19, configuration E of Simonyan and Zisserman 2015, up to its last convolution: five blocks of 3×3 convolutions, each
 * followed by a ReLU, with 2×2 maximum pooling between the blocks. Layers have the names that BasicSR gives them:
 *
 *   conv1_1 relu1_1 conv1_2 relu1_2 pool1   64 channels
 *   conv2_1 … relu2_2 pool2                128
 *   conv3_1 … relu3_4 pool3                256
 *   conv4_1 … relu4_4 pool4                512
 *   conv5_1 … relu5_4                      512
 *
 * ESRGAN's loss (Wang et al. 2018, section 3.3) is on conv5_4, before activation. SRGAN's VGG5,4 (Ledig et al. 2017,
 * section 2.2.1) is on relu5_4, its maps divided by 12.75: with criterion l2, a layer weight of 1/12.75² ≈ 0.006.
 */
const BLOCKS = [
  [64, 64],
  [128, 128],
  [256, 256, 256, 256],
  [512, 512, 512, 512],
  [512, 512, 512, 512],
]

interface Convolution {
  /** conv5_4 */
  name: string
  /** [3, 3, in, out] */
  shape: [number, number, number, number]
  /** Place in torchvision's `features`, where ReLU and pooling count too: 34. */
  index: number
  /** block5_conv4 */
  keras: string
}

export const VGG19_CONVOLUTIONS: Convolution[] = convolutions()

/** Files we know of, by sha256. */
const KNOWN: Record<string, string> = {
  dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44: 'vgg19-dcbb9e9d.pth of torchvision',
  '11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669': "model.safetensors of timm/vgg19.tv_in1k, torchvision's weights",
}

/** What to bring, for errors and documentation. */
export const VGG19_FILES =
  'https://download.pytorch.org/models/vgg19-dcbb9e9d.pth, or model.safetensors of https://huggingface.co/timm/vgg19.tv_in1k ' +
  "(torchvision's weights), or a folder with Keras' VGG19 as tfjs layers model"

export interface Vgg19 {
  model: TF.LayersModel
  /** How these weights want their pictures. */
  input: FeatureInput
  /** Where the weights come from, in words. */
  source: string
}

/**
 * Builds VGG19 with the weights of a file.
 * @param file `.pth` or `.safetensors` with torchvision's names, or the folder of a tfjs layers model with Keras' names
 * @throws UprezError `missing-feature-network`, naming what to bring; `invalid-weights` where the file holds something else
 *   or is not the one its name says
 */
export async function loadVgg19(tf: Tf, file: string | undefined): Promise<Vgg19> {
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined)
  if (file === undefined || !found) {
    throw new UprezError(
      'missing-feature-network',
      `${file === undefined ? 'losses.feature.file names no file' : `${file} is not there`}: VGG19's weights must be brought (${VGG19_FILES}); ` +
        `or set losses.feature.network to inception, which \`${setupCommand('features')}\` fetches`,
      { param: 'losses.feature.file', expected: VGG19_FILES, got: file ?? 'nothing' },
    )
  }
  const model = build(tf)
  if (found.isDirectory()) {
    const keras = await loadModel(tf, file)
    fill(tf, model, file, ({ keras: name }) => kerasWeights(keras, name))
    keras.dispose()
    return { model, input: 'caffe', source: `Keras' weights in ${basename(file)}` }
  }
  const source = await identify(file)
  const tensors = extname(file) === '.safetensors' ? await readSafetensors(file) : await readTorchFile(file)
  fill(tf, model, file, ({ index }) => torchWeights(tf, tensors.get(`features.${index}.weight`), tensors.get(`features.${index}.bias`)))
  return { model, input: 'torch', source }
}

function convolutions(): Convolution[] {
  let [channels, index] = [3, 0]
  return BLOCKS.flatMap((block, b) => {
    const layers = block.map((filters, i): Convolution => {
      const at = `${b + 1}_${i + 1}`
      const layer = {
        name: `conv${at}`,
        shape: [3, 3, channels, filters] as Convolution['shape'],
        index,
        keras: `block${b + 1}_conv${i + 1}`,
      }
      channels = filters
      index += 2
      return layer
    })
    index++
    return layers
  })
}

function build(tf: Tf): TF.LayersModel {
  const input = tf.input({ shape: [null, null, 3], name: 'image' })
  let x = input
  const add = (layer: TF.layers.Layer) => {
    x = layer.apply(x) as TF.SymbolicTensor
  }
  for (const { name, shape } of VGG19_CONVOLUTIONS) {
    if (name.endsWith('_1') && name !== 'conv1_1') add(tf.layers.maxPooling2d({ name: `pool${Number(name[4]) - 1}`, poolSize: 2 }))
    add(tf.layers.conv2d({ name, filters: shape[3], kernelSize: 3, padding: 'same', kernelInitializer: 'zeros' }))
    add(tf.layers.reLU({ name: name.replace('conv', 'relu') }))
  }
  return tf.model({ inputs: input, outputs: x, name: 'VGG19' })
}

type Pair = { kernel: TF.Tensor4D; bias: TF.Tensor1D } | undefined

function fill(tf: Tf, model: TF.LayersModel, file: string, weightsOf: (convolution: Convolution) => Pair): void {
  tf.tidy(() => {
    for (const convolution of VGG19_CONVOLUTIONS) {
      const { name, shape } = convolution
      const weights = weightsOf(convolution)
      if (String(weights?.kernel.shape) !== String(shape) || weights?.bias.size !== shape[3]) {
        throw new UprezError('invalid-weights', `${file} does not hold VGG19: ${name} must be a kernel [${shape}] and a bias`, {
          param: 'losses.feature.file',
          expected: VGG19_FILES,
          got: weights ? `a kernel [${weights.kernel.shape}] and a bias [${weights.bias.shape}]` : `no ${name}`,
        })
      }
      model.getLayer(name).setWeights([weights.kernel, weights.bias])
    }
  })
}

function kerasWeights(model: TF.LayersModel, name: string): Pair {
  const layer = model.layers.find(layer => layer.name === name)
  const [kernel, bias] = layer?.getWeights() ?? []
  return kernel && bias ? { kernel: kernel as TF.Tensor4D, bias: bias as TF.Tensor1D } : undefined
}

/** PyTorch: [out, in, h, w]; here: [h, w, in, out]. */
function torchWeights(tf: Tf, kernel: Weight | undefined, bias: Weight | undefined): Pair {
  if (kernel?.shape.length !== 4 || !bias) return undefined
  const turned = tf.transpose(tf.tensor4d(kernel.data, kernel.shape as Convolution['shape']), [2, 3, 1, 0])
  return { kernel: turned as TF.Tensor4D, bias: tf.tensor1d(bias.data) }
}

/** Files of torchvision carry the beginning of their sha256 in their name. */
async function identify(file: string): Promise<string> {
  const sum = await sha256Of(file)
  const stated = /-([0-9a-f]{8})\.pth$/.exec(basename(file))?.[1]
  if (stated !== undefined && !sum.startsWith(stated)) {
    throw new UprezError('invalid-weights', `${file} is damaged: by its name its sha256 begins with ${stated}, and it is ${sum}`, {
      param: 'losses.feature.file',
      expected: stated,
      got: sum,
    })
  }
  return KNOWN[sum] ?? `${basename(file)}, sha256 ${sum}`
}

import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'

type Pair = [number, number]

/**
 * The wasm backend has no Conv2DBackpropFilter kernel and a slow Conv2DBackpropInput. Both gradients of a
 * convolution are convolutions themselves, so they are expressed through the fast forward kernel:
 *
 *   input gradient   dx = conv(dy with s−1 zeros between its pixels, w turned by 180° with its channel axes swapped)
 *   filter gradient  dw = conv(x as [C,H,W,N], dy as an [oh,ow,N,Co] filter dilated by s), a sum over the batch axis
 *
 * Exact, and differentiable again, since both are made of ops with gradients. Replaces tfjs' gradient of Conv2D
 * for the whole process.
 */
export function registerConvolutionGradients(tf: Tf): void {
  tf.unregisterGradient('Conv2D')
  tf.registerGradient({
    kernelName: 'Conv2D',
    inputsToSave: ['x', 'filter'],
    gradFunc: (dy, saved, attributes) => {
      const [x, filter] = saved as [TF.Tensor4D, TF.Tensor4D]
      const { strides, pad, dataFormat, dilations } = attributes as unknown as {
        strides: Pair
        pad: number | 'same' | 'valid'
        dataFormat: string
        dilations: number | Pair
      }
      const info = tf.backend_util.computeConv2DInfo(x.shape, filter.shape, strides, dilations, pad)
      if (dataFormat !== 'NHWC' || info.dilationHeight !== 1 || info.dilationWidth !== 1) {
        throw new Error(`the wasm gradient of conv2d takes NHWC without dilation, not ${dataFormat} with ${dilations}`)
      }
      return {
        x: () => inputGradient(tf, dy as TF.Tensor4D, filter, info),
        filter: () => filterGradient(tf, x, dy as TF.Tensor4D, info),
      }
    },
  })
}

type Info = ReturnType<Tf['backend_util']['computeConv2DInfo']>

function inputGradient(tf: Tf, dy: TF.Tensor4D, filter: TF.Tensor4D, info: Info): TF.Tensor4D {
  const { filterHeight: kh, filterWidth: kw, inHeight, inWidth, padInfo } = info
  const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2])
  const spread = spreadPixels(tf, dy, info.strideHeight, info.strideWidth)
  const top = kh - 1 - padInfo.top
  const left = kw - 1 - padInfo.left
  // 'valid' over the padded map must give inHeight × inWidth.
  const bottom = inHeight + kh - 1 - spread.shape[1] - top
  const right = inWidth + kw - 1 - spread.shape[2] - left
  return tf.conv2d(padOrCrop(tf, spread, top, bottom, left, right), turned, 1, 'valid')
}

function filterGradient(tf: Tf, x: TF.Tensor4D, dy: TF.Tensor4D, info: Info): TF.Tensor4D {
  const { filterHeight: kh, filterWidth: kw, strideHeight, strideWidth, padInfo } = info
  const height = (dy.shape[1] - 1) * strideHeight + kh
  const width = (dy.shape[2] - 1) * strideWidth + kw
  const { top, left } = padInfo
  const padded = padOrCrop(tf, x, top, height - x.shape[1] - top, left, width - x.shape[2] - left)
  const images = tf.transpose(padded, [3, 1, 2, 0])
  const filters = tf.transpose(dy, [1, 2, 0, 3])
  const gradient = tf.conv2d(images as TF.Tensor4D, filters as TF.Tensor4D, 1, 'valid', 'NHWC', [strideHeight, strideWidth])
  return tf.transpose(gradient, [1, 2, 0, 3])
}

/** Zero padding; a negative amount crops (a strided convolution may never look at the last rows). */
function padOrCrop(tf: Tf, x: TF.Tensor4D, top: number, bottom: number, left: number, right: number): TF.Tensor4D {
  const kept = tf.slice(x, [0, 0, 0, 0], [x.shape[0], x.shape[1] + Math.min(bottom, 0), x.shape[2] + Math.min(right, 0), x.shape[3]])
  return tf.pad(kept, [[0, 0], [top, Math.max(bottom, 0)], [left, Math.max(right, 0)], [0, 0]]) // biome-ignore format: one row
}

/** Puts strideH−1 rows and strideW−1 columns of zeros between the pixels. */
function spreadPixels(tf: Tf, y: TF.Tensor4D, strideH: number, strideW: number): TF.Tensor4D {
  if (strideH === 1 && strideW === 1) return y
  const [n, h, w, c] = y.shape
  const columns = tf.concat([tf.reshape(y, [n * h, w, 1, c]), tf.zeros([n * h, w, strideW - 1, c])], 2)
  const rows = tf.concat([tf.reshape(columns, [n, h, 1, w * strideW * c]), tf.zeros([n, h, strideH - 1, w * strideW * c])], 2)
  const all = tf.reshape(rows, [n, h * strideH, w * strideW, c]) as TF.Tensor4D
  return tf.slice(all, [0, 0, 0, 0], [n, (h - 1) * strideH + 1, (w - 1) * strideW + 1, c])
}

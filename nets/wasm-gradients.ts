import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'

interface Attributes {
  strides: [number, number]
  pad: number | 'same' | 'valid'
  dataFormat: string
  dilations: number | [number, number]
  dimRoundingMode?: 'floor' | 'round' | 'ceil'
}

/**
 * The wasm backend has no Conv2DBackpropFilter kernel and a slow Conv2DBackpropInput. Both gradients of a
 * convolution are convolutions themselves, so they are expressed through the fast forward kernel:
 *
 *   input gradient   dx = conv(dy with s−1 zeros between its pixels, w turned by 180° with its channel axes swapped)
 *   filter gradient  dw = conv(x as [C,H,W,N], dy as an [oh,ow,N,Co] filter dilated by s), a sum over the batch axis
 *
 * With a dilation d, the first is dilated by d and the second takes steps of d. A transposed convolution is the input gradient of one:
 * its own gradients are that convolution and, again, the filter gradient. Exact, and differentiable again, since all are made of ops
 * with gradients. Replaces tfjs' gradients of Conv2D and Conv2DBackpropInput for the whole process, and adds the missing kernel, which
 * tfjs asks for by itself where a convolution and its bias are one operation, as in its own layers.
 */
export function registerConvolutionGradients(tf: Tf): void {
  tf.unregisterGradient('Conv2D')
  tf.registerGradient({
    kernelName: 'Conv2D',
    inputsToSave: ['x', 'filter'],
    gradFunc: (dy, saved, attributes) => {
      const [x, filter] = saved as [TF.Tensor4D, TF.Tensor4D]
      const { strides, pad, dataFormat, dilations, dimRoundingMode } = attributes as unknown as Attributes
      if (dataFormat !== 'NHWC') throw new Error(`the wasm gradient of conv2d takes NHWC, not ${dataFormat}`)
      const info = tf.backend_util.computeConv2DInfo(x.shape, filter.shape, strides, dilations, pad, dimRoundingMode)
      return {
        x: () => inputGradient(tf, dy as TF.Tensor4D, filter, info),
        filter: () => filterGradient(tf, x, dy as TF.Tensor4D, info),
      }
    },
  })
  tf.unregisterGradient('Conv2DBackpropInput')
  tf.registerGradient({
    kernelName: 'Conv2DBackpropInput',
    inputsToSave: ['dy', 'filter'],
    gradFunc: (ddx, saved, attributes) => {
      const [dy, filter] = saved as [TF.Tensor4D, TF.Tensor4D]
      const x = ddx as TF.Tensor4D
      const { strides, pad, dimRoundingMode } = attributes as unknown as Attributes
      const info = tf.backend_util.computeConv2DInfo(x.shape, filter.shape, strides, 1, pad, dimRoundingMode)
      return {
        dy: () => tf.conv2d(x, filter, strides, pad, 'NHWC', 1, dimRoundingMode),
        filter: () => filterGradient(tf, x, dy, info),
      }
    },
  })
  tf.registerKernel({
    kernelName: 'Conv2DBackpropFilter',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      const { x, dy } = inputs as { x: TF.Tensor4D; dy: TF.Tensor4D }
      const { strides, pad, dimRoundingMode, filterShape } = attrs as unknown as FilterAttributes
      const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode)
      return tf.tidy(() => filterGradient(tf, x, dy, info))
    },
  })
}

/** What the kernel Conv2DBackpropFilter is told: no dilation. */
interface FilterAttributes {
  strides: [number, number]
  pad: number | 'same' | 'valid'
  dimRoundingMode?: 'floor' | 'round' | 'ceil'
  filterShape: [number, number, number, number]
}

type Info = ReturnType<Tf['backend_util']['computeConv2DInfo']>

function inputGradient(tf: Tf, dy: TF.Tensor4D, filter: TF.Tensor4D, info: Info): TF.Tensor4D {
  const { effectiveFilterHeight: kh, effectiveFilterWidth: kw, inHeight, inWidth, padInfo } = info
  const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2])
  const spread = spreadPixels(tf, dy, info.strideHeight, info.strideWidth)
  const top = kh - 1 - padInfo.top
  const left = kw - 1 - padInfo.left
  // 'valid' over the padded map must give inHeight × inWidth.
  const bottom = inHeight + kh - 1 - spread.shape[1] - top
  const right = inWidth + kw - 1 - spread.shape[2] - left
  return tf.conv2d(padOrCrop(tf, spread, top, bottom, left, right), turned, 1, 'valid', 'NHWC', [info.dilationHeight, info.dilationWidth])
}

function filterGradient(tf: Tf, x: TF.Tensor4D, dy: TF.Tensor4D, info: Info): TF.Tensor4D {
  const { strideHeight, strideWidth, dilationHeight, dilationWidth, padInfo } = info
  const height = (dy.shape[1] - 1) * strideHeight + info.effectiveFilterHeight
  const width = (dy.shape[2] - 1) * strideWidth + info.effectiveFilterWidth
  const { top, left } = padInfo
  const padded = padOrCrop(tf, x, top, height - x.shape[1] - top, left, width - x.shape[2] - left)
  const images = tf.transpose(padded, [3, 1, 2, 0])
  const filters = tf.transpose(dy, [1, 2, 0, 3])
  const [steps, spacing] = [
    [dilationHeight, dilationWidth],
    [strideHeight, strideWidth],
  ] as [[number, number], [number, number]]
  const gradient = tf.conv2d(images as TF.Tensor4D, filters as TF.Tensor4D, steps, 'valid', 'NHWC', spacing)
  return tf.transpose(gradient, [1, 2, 0, 3])
}

/** Zero padding; a negative amount crops (a strided convolution may never look at the last rows). */
function padOrCrop(tf: Tf, x: TF.Tensor4D, top: number, bottom: number, left: number, right: number): TF.Tensor4D {
  const [n, h, w, c] = x.shape
  const cut = [top, bottom, left, right].map(amount => Math.max(-amount, 0)) as [number, number, number, number]
  const whole = cut.every(amount => amount === 0)
  const kept = whole ? x : tf.slice(x, [0, cut[0], cut[2], 0], [n, h - cut[0] - cut[1], w - cut[2] - cut[3], c])
  return tf.pad(kept, [
    [0, 0],
    [Math.max(top, 0), Math.max(bottom, 0)],
    [Math.max(left, 0), Math.max(right, 0)],
    [0, 0],
  ])
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

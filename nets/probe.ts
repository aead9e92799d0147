import type { Rank } from '@tensorflow/tfjs'
import { deviceOf, type EngineName, useEngine } from './engine.js'
import type { NativeVariant } from './native.js'

// Run as a child process by tryEngine: one convolution on the engine named, its value checked. The last line says what computed it.
try {
  const [engine, variant] = process.argv.slice(2) as [EngineName, NativeVariant?]
  const tf = await useEngine(engine, variant)
  const sum = tf.tidy(() => tf.conv2d(tf.ones<Rank.R4>([1, 8, 8, 4]), tf.ones<Rank.R4>([3, 3, 4, 16]), 1, 'valid').sum())
  const value = (await sum.data())[0]
  if (value !== 6 * 6 * 16 * 36) throw new Error(`one convolution gave ${value}, expected ${6 * 6 * 16 * 36}`)
  console.log(await deviceOf(tf))
  process.exit(0)
} catch (error) {
  console.error(String(error))
  process.exit(1)
}

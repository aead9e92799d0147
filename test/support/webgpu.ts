import { dawnAddon } from '../../nets/webgpu.js'

/**
 * Options for tests that need WebGPU: skipped, with the reason, where it has not been set up; but UPREZ_TEST_WEBGPU=1 demands it,
 * and then they fail. A graphics card is not needed.
 */
export const needsWebgpu: { skip: string | false } = {
  skip: dawnAddon() || process.env.UPREZ_TEST_WEBGPU === '1' ? false : 'WebGPU is not set up (npm run setup -- webgpu)',
}

import { nativeAddon } from '../../nets/native.js'

/**
 * Options for tests that need the native engine: skipped, with the reason, where it has not been set up; but
 * UPREZ_TEST_NATIVE=1 demands it, and then they fail.
 */
export const needsNative: { skip: string | false } = {
  skip: nativeAddon() || process.env.UPREZ_TEST_NATIVE === '1' ? false : 'the native engine is not set up (npm run setup -- tensorflow)',
}

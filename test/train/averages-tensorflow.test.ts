import { testAverages } from '../support/averages.js'
import { needsNative } from '../support/native.js'

testAverages('tensorflow', needsNative)

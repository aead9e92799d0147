import { testCritics } from '../support/critics.js'
import { needsNative } from '../support/native.js'

testCritics('tensorflow', needsNative)

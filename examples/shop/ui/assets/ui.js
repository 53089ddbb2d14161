// The pages work without this. With it they change while they are looked at, and forms are sent in place.
import { connect } from './connection.js'
import { follow } from './live.js'
import { sendInPlace } from './forms.js'
import { localTimes, themeInPlace, unfold } from './look.js'

localTimes(document)
themeInPlace()
unfold()
sendInPlace()
follow(connect)
document.documentElement.dataset.ready = 'true'

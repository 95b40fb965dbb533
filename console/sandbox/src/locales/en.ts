import type zh from './zh'

const en: typeof zh = {
  title: 'WeChat sandbox',
  unreachable: 'The sandbox did not answer',
  views: { phone: 'Phone', screen: 'Screen', journal: 'Journal', facts: 'Accounts and calls', label: 'Pages' },
  language: 'Language',
  theme: 'Theme',
  themes: { auto: 'System', light: 'Light', dark: 'Dark' },
  skip: 'Skip to the content',
  live: { live: 'Live', connecting: 'Connecting', stopped: 'Cut off, trying again' },
  apps: { first: 'Sandbox Official', mini: 'Sandbox Mini', example: 'Example Official' },
  kinds: { official: 'official account', mini: 'mini program', open: 'website' },
  common: { copy: 'Copy', copied: 'Copied', copyByHand: 'The browser refuses to copy: it is selected, press Ctrl+C', close: 'Close', cancel: 'Cancel', toastOk: 'Done', toastBad: 'Failed', toastInfo: 'Note', toasts: 'Notifications' },
  phone: {
    label: 'Phone', who: 'Whose phone', newUser: 'New user…', nickname: 'Nickname', addUser: 'Add', back: 'Back to the chats', chats: 'WeChat',
    following: 'followed', notFollowing: 'not followed', service: 'customer service', nothing: 'No message yet', hello: 'No message yet. Scan a code on the screen, or write.', notYet: 'Follow it to talk to it', write: 'Say something', send: 'Send',
    more: 'More', less: 'Less', follow: 'Follow', unfollow: 'Unfollow', scan: 'Scan', web: 'Web page', mini: 'Open', number: 'Phone no.', allow: 'Subscribe', enter: 'Service', keyboard: 'Keyboard instead', menu: 'Menu instead',
    photo: 'Photo', voice: 'Voice', location: 'Location', link: 'Link', noCallback: 'no callback', setCallback: 'This account has no callback: nobody is told. Set one', unread: 'new', menuOf: 'Menu', nobody: 'There is no user {name}, so it is somebody else: choose at the top of the phone',
  },
  line: {
    scan: 'scanned {key}', subscribe: 'followed', subscribeBy: 'followed by scanning {key}', unsubscribe: 'unfollowed', click: 'pressed {key}', view: 'opened a page by the menu', view_miniprogram: 'opened a mini program by the menu', enter: 'entered customer service', event: 'event {name} {key}',
    scancode: 'scanned a code by the menu', pics: 'sends pictures by the menu', place: 'picked a place by the menu', template: 'Template message', subscription: 'Subscription message', service: 'service message', mass: 'mass message', massPreview: 'preview of a mass message', toPage: 'Details', toMini: 'Mini program', popup_accept: 'allowed subscription messages', popup_reject: 'refused subscription messages', change_accept: 'takes subscription messages again', change_reject: 'takes no subscription messages any more', reply: 'passive reply', more: 'Details', voice: 'Voice {n}″', video: 'Video', music: 'Music',
    trouble: 'The service of this account is out of order. Try again later', transfer: 'Handed to customer service', picture: 'Picture', elsewhere: 'a picture elsewhere, not fetched', card: 'Card', unknown: 'message {type}', silent: 'Nothing came back', sending: 'sending', pushed: '{name} → {status} · {ms} ms', tried: '{name} → {status} · attempt {n}', failed: '{name} → {status}, {n} attempts', noAnswer: 'no answer', replied: 'passive reply', openIt: 'Look at this push',
  },
  menu: { silent: '{type}: WeChat sends the material by itself, nothing is pushed', sub: 'Submenu of {name}' },
  scan: { title: 'Scan', wait: 'The menu waits for a code', paste: 'Paste a ticket, what a code says, or the address of its picture', go: 'Scan', file: 'Choose a picture', none: 'No code on the screen yet', raw: 'Give it to the menu as it is' },
  web: { title: 'Web page', address: 'Address', go: 'Open', tab: 'New tab', hint: 'Open any page; those of WeChat open in the sandbox. Above is an OAuth address that leads back to a page which shows the code; put a page of your own there, and "Ask the user" gives it the code.', base: 'Silent', userinfo: 'Ask the user', frame: 'Web page', cross: 'Pages that refuse frames, or need cookies of another site, open in a new tab.' },
  mini: { title: 'Mini program', page: 'page', scene: 'scene', login: 'wx.login', phone: 'Phone number', allow: 'Subscribe', contact: 'Customer service', loginSays: 'login code', phoneSays: 'phone code ({phone})', use: 'Your backend calls with it', defaultPage: 'first page', noScene: 'none', linked: 'linked', stranger: 'It is not in the sandbox; a real phone would open it', once: 'good once, for 5 minutes' },
  allow: { title: 'Subscription messages', template: 'Template', none: 'This account has no template to subscribe to', count: 'How many', yes: 'Allow', no: 'Refuse', list: 'Allowed', nothing: 'None is allowed', left: '{n} more may come', done: '"{title}" is allowed: {n} more may come', refused: '"{title}" is refused', end: 'Stop', ended: '"{title}" is taken no more' },
  place: { title: 'Location', spots: 'Places', lat: 'Latitude', lng: 'Longitude', label: 'Name', send: 'Send location', gz: 'Canton Tower', bj: 'Tiananmen', sh: 'The Bund' },
  link: { title: 'Link', name: 'Title', description: 'Description', url: 'Address', send: 'Send link', sampleTitle: 'An article', sampleDescription: 'Worth reading' },
  photo: { title: 'Photo', take: 'Take one', choose: 'Choose files', wait: 'The menu waits for pictures' },
  screen: { title: 'Screen', hint: 'a click scans', make: 'Make a code', account: 'Account', scene: 'scene (optional)', temporary: 'temporary', permanent: 'permanent', mini: 'mini-program code', left: '{t} left', days: '{n} d', expired: 'expired', never: 'never expires', just: 'Just scanned', scanAs: 'Scan as {name}:', empty: 'Every code your backend makes appears here', emptyHint: 'No backend? Make a code', none: 'No code yet' },
  log: {
    title: 'Journal', label: 'Journal', filter: 'Path, appid, errcode', all: 'All', calls: 'Calls', pushes: 'Pushes', wrong: 'Failures only', clear: 'Clear', fault: 'Inject a fault', page: 'On a page of its own', call: 'call in', push: 'push out', empty: 'Nothing yet', emptyHint: 'Point your SDK at {base}, or use the phone', noMatch: 'Nothing matches', pick: 'Pick a row', gone: 'This call is gone (the last 10,000 are kept)', message: 'message {key}', event: 'event {name} {key}', more: '{n} older ones',
    tokenGone: 'Token superseded', tokenGoneHint: 'somebody else refreshed it, the old one is dead', limit: 'Next: 45009', slow: 'Next: 5 s late', cut: 'Next: cut off', path: 'API', everything: 'All APIs', recent: 'Called of late', simulated: 'Simulated APIs', of: 'Account', anyone: 'any', way: 'What goes wrong', ways: { errcode: 'errcode', status: 'HTTP status', delay: 'late', cut: 'cut off' }, delay: 'Milliseconds', where: 'Cut where', cuts: { before: 'before it happens', half: 'half way through the answer', after: 'after it happened' }, percent: 'Chance (%)', times: 'Times (0 for ever)', arrange: 'Arrange', waiting: 'Still to happen', noFault: 'No fault stands', left: '{n} more', lasting: 'until it is withdrawn', other: 'another answer', remove: 'Withdraw', removed: 'Withdrawn', done: 'Arranged', tokenOf: 'Account of the token',
  },
  detail: {
    request: 'Request', headers: '{n} headers', body: 'Body', answer: 'Answer', curl: 'Copy as curl', why: 'Why it is refused', official: "WeChat's own words", ours: "nobody knows WeChat's words", retry: 'Resend', resent: 'Sent again', binary: 'binary, {n} bytes', nothing: 'empty', followed: 'Pushes that followed', attempt: 'Attempt {n}', ms: '{n} ms', decrypted: 'Decrypted', plain: 'The message', noAnswer: 'no answer', cutOff: 'cut off without an answer', underWay: 'under way', to: 'Push to', account: 'Account', time: 'Time', back: 'Back to the list', picture: "The answer's picture", status: 'HTTP {status}', edge412: "A POST without Content-Length (chunked): WeChat's edge takes none, make the HTTP client send the length", edge413: 'The body is too long', edge501: "The sandbox doesn't simulate this API, which WeChat may have: those it does are listed at the end of the page of accounts",
  },
  facts: {
    title: 'Accounts and calls', intro: 'Not WeChat but a faithful fake: the api, mp and open hosts in one, with its tokens, limits, error codes and pushes. Point your SDK at {base}.', accounts: 'Accounts', secret: 'AppSecret', original: 'Original id', token: 'Callback token', aes: 'EncodingAESKey', callback: 'Callback', none: 'none', url: 'Address', mode: 'Encryption', format: 'Format', plain: 'plain', compat: 'compatible', safe: 'safe', save: 'Verify and save', saved: 'WeChat has verified it; saved', remove: 'Remove', codes: 'Codes that never run out, and the template', calls: 'Control calls', examples: 'Examples', simulated: 'Simulated APIs', simulatedHint: 'Any other is 501 and a sentence. The rules are in docs/sandbox.en.md.', curl: 'The same as plain text:',
  },
  q: { title: 'Who scans it?', over: 'WeChat code', gone: 'There is no such code, or no longer', again: 'Somebody else scans', scan: 'Scan as', done: '{name} has scanned it', toPhone: 'Look at the phone', scene: 'scene', account: 'account', nobody: 'The account has no callback: nobody is told', home: 'Home', expired: 'This code has expired' },
  came: { title: 'The page got a code', denied: 'The user said no: the page got no code', hint: 'A real page gives the code to its backend, which calls:', placeholders: "This address doesn't say whose code it is: APPID and SECRET stand for those of", wxgate: 'Or gives it to wxgate:' },
}

export default en

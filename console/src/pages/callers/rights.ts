// Which APIs a caller may use, by the rules of the gateway: the pattern with most literal characters wins, and among
// equals the one that denies.

const literal = (pattern: string) => pattern.replace(/^!|\*/g, '').length

function fits(pattern: string, path: string) {
  const parts = pattern.replace(/^!/, '').split('*').map((part) => part.replace(/[.?+^$()[\]{}|\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(path)
}

export function may(apis: string[], path: string) {
  const [best] = apis.filter((pattern) => fits(pattern, path)).sort((a, b) => literal(b) - literal(a) || Number(b.startsWith('!')) - Number(a.startsWith('!')))
  return best !== undefined && !best.startsWith('!')
}

/** A path to try a key with: one that disturbs nothing if it may be called, else where the first pattern begins. */
export function pathFor(apis: string[]) {
  const known = ['/cgi-bin/get_api_domain_ip', '/v1/service/wx/jssdk'].find((path) => may(apis, path))
  return known ?? apis.find((pattern) => !pattern.startsWith('!'))?.replaceAll('*', '') ?? '/'
}

export default {
  s: '{n} 秒',
  min: '{n} 分钟',
  h: '{n} 小时',
  d: '{n} 天',
  now: '刚刚',
  ago: '{t}前',
  in: '{t}后',
}

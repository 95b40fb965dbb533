"""Calls at saturation: token reads, the pass-through, a service call."""

from dataclasses import replace

from measure import CACHE, Bench, Server, address, load, stop, take_turns
from report import Line, Result, paired, table
from yardsticks import APPID, KEY, fastapi, fastify, fixed, go, nginx, passes, proxies, reads_token, token_of, wxgate


def saturated(servers: list[Server], bench: Bench):
    return take_turns(servers, bench, load)


def token(bench: Bench) -> Result:
    ours = wxgate(bench.upstream)
    body = token_of(ours)
    held = CACHE / "token.json"
    held.write_bytes(body)
    value = body.decode().split('"access_token":"')[1].split('"')[0]
    servers = [
        ours,
        fixed(bench.bin, held),
        nginx("nginx + Lua", "token.conf", address(), BODY=body.decode()),
        go("Go net/http", "token", APPID, KEY, str(held)),
        fastify(value),
        fastapi(value),
    ]
    found = saturated([reads_token(server) for server in servers if server], bench)
    beside = {name: lambda what, name=name: paired(found, "wxgate", name, what) for name in found}
    hyper, work = "bare hyper answering the same bytes", "token read"
    lines = [
        Line(work, hyper, beside["bare hyper"]("cpu"), 1.25, "CPU", goal=1.15),
        Line(work, hyper, beside["bare hyper"]("rate"), 0.85, "rate", goal=0.9, at_least=True),
        Line(work, hyper, beside["bare hyper"]("user"), 2.6, "user CPU", goal=2.0),
    ]
    for name, limit, goal in (("nginx + Lua", 0.9, 1), ("Go net/http", 1.6, 2), ("Fastify + co-wechat-api", 1.6, 2), ("FastAPI + wechatpy", 30, 40)):
        if name in found:
            lines.append(Line(work, name, beside[name]("rate"), limit, "rate", goal=goal, at_least=True))
    return Result(table("token read", found, "wxgate"), lines)


def passed(bench: Bench) -> Result:
    found = saturated(proxies(bench.upstream), bench)
    limits = (("nginx", 1.4, 1.2), ("nginx + Lua", 1.2, 1.0), ("Go ReverseProxy", 0.55, None), ("Pingora", 0.8, None))
    lines = [
        Line("pass-through, 200 B", "nginx + Lua choosing the token" if "Lua" in name else name, paired(found, "wxgate", name, "cpu"), limit, "CPU", goal=goal)
        for name, limit, goal in limits
        if name in found
    ]
    return Result(table("pass-through, 200 B", found, "wxgate"), lines)


def image(bench: Bench) -> Result:
    found = saturated(proxies(bench.upstream, "/cgi-bin/media/get_image?openid=x", only=("nginx",)), bench)
    lines = [
        Line("pass-through, 60 KB", "nginx with 32 KB buffers", paired(found, "wxgate", name, "cpu"), 1.35, "CPU", goal=1.15)
        for name in found
        if name == "nginx"
    ]
    return Result(table("pass-through, 60 KB (nginx with 32 KB buffers)", found, "wxgate"), lines)


def service(bench: Bench) -> Result:
    """A service call with one upstream call, beside the same process's own pass-through of the same call."""
    ours = wxgate(bench.upstream)
    data = '"data":{"thing1":{"value":"tea"},"time2":{"value":"2026-01-01"}}'
    openid = "oi2gjcX9COk0CXktAhOgmjS7_01E"
    posts = {
        "service call": ("/v1/service/wx/sendwxtemplatemsg", f'{{"source":"bench","appid":"{APPID}","openid":"{openid}","template_id":"TM00015",{data}}}'),
        "its own pass-through": ("/cgi-bin/message/template/send", f'{{"touser":"{openid}","template_id":"TM00015",{data}}}'),
    }
    servers, scripts = [], {}
    for name, (path, body) in posts.items():
        scripts[name] = CACHE / f"{path.rsplit('/', 1)[1]}.lua"
        scripts[name].write_text(f"wrk.method = 'POST'\nwrk.body = [[{body}]]\nwrk.headers['Content-Type'] = 'application/json'\n")
        servers.append(replace(passes(ours, path), name=name))
    found = take_turns(servers, bench, lambda server, seconds: load(server, seconds, script=scripts[server.name]))
    stop([ours])
    ratios = paired(found, "service call", "its own pass-through", "cpu")
    line = Line("service call with one upstream call", "its own pass-through", ratios, 1.35, "CPU", goal=1.2)
    return Result(table("service call with one upstream call", found, "service call"), [line])

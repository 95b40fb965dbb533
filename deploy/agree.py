"""Reads what lies in deploy/ and says where it contradicts itself: names, ports, addresses and times that stand in two files."""

import json
import re
import sys
import tomllib
from pathlib import Path

import yaml

mistakes = []


def wrong(file, what):
    mistakes.append(f"deploy/check: {file}: {what}")


class Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would take the last."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if key.value != "<<"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def documents(file):
    try:
        return [part for part in yaml.load_all(Path(file).read_text(), Loader) if part]
    except yaml.YAMLError as error:
        wrong(file, error)
        return []


def configuration(file):
    try:
        return tomllib.loads(Path(file).read_text())
    except tomllib.TOMLDecodeError as error:
        wrong(file, error)
        return {}


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def port(address):
    return int(address.rpartition(":")[2])


def compose():
    file = "compose/compose.yaml"
    files = documents(file)
    config = configuration("compose/wxgate.toml")
    if not files or not config:
        return
    server, services = config["server"], files[0]["services"]
    nodes = {name: service for name, service in services.items() if name.startswith("wxgate-")}
    address = {name: service["networks"]["inner"]["ipv4_address"] for name, service in nodes.items()}
    for name, service in nodes.items():
        if service["environment"]["WXGATE_CLUSTER__ADVERTISE"] != f"http://{address[name]}:{port(server['listen'])}":
            wrong(file, f"{name} advertises another address than its own")
        if seconds(service["stop_grace_period"]) <= seconds(server["shutdown_grace"]):
            wrong(file, f"{name} is killed within server.shutdown_grace")
        if not any(path.startswith(f"{config['store']['run_dir']}:") for path in service["tmpfs"]):
            wrong(file, f"{name} has no place for store.run_dir")
    nginx = services["nginx"]
    if nginx["networks"]["inner"]["ipv4_address"] not in server["trusted_proxies"]:
        wrong("compose/wxgate.toml", "server.trusted_proxies doesn't hold nginx's address")
    if sorted(nginx["extra_hosts"]) != sorted(f"{name}:{at}" for name, at in address.items()):
        wrong(file, "extra_hosts of nginx aren't the nodes' addresses")
    published = [int(mapping.rpartition(":")[2]) for mapping in nginx["ports"]]
    if any("ports" in service for name, service in services.items() if name != "nginx") or port(server["admin_listen"]) in published:
        wrong(file, "publishes more than nginx's two sides")

    text = re.sub(r"#.*", "", Path("compose/nginx.conf").read_text())
    wanted = {"callers": "listen", "callbacks": "public_listen", "public": "public_listen"}
    found = dict(re.findall(r"upstream (\w+) \{(.*?)\n    \}", text, re.S))
    for name, key in wanted.items():
        to = re.findall(r"server ([^ ;]+)", found.get(name, ""))
        if sorted(to) != sorted(f"{node}:{port(server[key])}" for node in nodes):
            wrong("compose/nginx.conf", f"upstream {name} isn't server.{key} of every node")
    if sorted(map(int, re.findall(r"listen (\d+)", text))) != sorted(published):
        wrong("compose/nginx.conf", "listens on other ports than compose.yaml publishes")


def kubernetes():
    folder = Path("kubernetes")
    read = {file.name: documents(file) for file in sorted(folder.glob("*.yaml"))}
    things = {}
    for file, parts in read.items():
        for thing in parts:
            if not isinstance(thing, dict) or not {"apiVersion", "kind"} <= thing.keys():
                wrong(f"kubernetes/{file}", "holds something without apiVersion and kind")
                continue
            things[thing["kind"], thing.get("metadata", {}).get("name")] = thing
    config = configuration(folder / "wxgate.toml")
    needed = [("Deployment", "wxgate"), ("Service", "wxgate"), ("Service", "wxgate-public"), ("PodDisruptionBudget", "wxgate"),
              ("Secret", "wxgate"), ("Kustomization", None)]
    missing = [f"{kind} {name or ''}".strip() for kind, name in needed if (kind, name) not in things]
    if missing or not config:
        wrong("kubernetes", f"lacks {', '.join(missing)}") if missing else None
        return
    for name in things["Kustomization", None]["resources"]:
        if not (folder / name).is_file():
            wrong("kubernetes/kustomization.yaml", f"{name} isn't there")

    spec = things["Deployment", "wxgate"]["spec"]
    labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
    selectors = {"deployment.yaml": spec["selector"]["matchLabels"],
                 "disruption.yaml": things["PodDisruptionBudget", "wxgate"]["spec"]["selector"]["matchLabels"]}
    selectors |= {f"services.yaml {name}": things["Service", name]["spec"]["selector"] for name in ("wxgate", "wxgate-public")}
    for file, selector in selectors.items():
        if not selector or not selector.items() <= labels.items():
            wrong(f"kubernetes/{file}", "its selector doesn't find the pods")

    container = pod["containers"][0]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    server = config["server"]
    if ports != {"callers": port(server["listen"]), "public": port(server["public_listen"])}:
        wrong("kubernetes/deployment.yaml", "its ports aren't those of wxgate.toml")
    used = [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    used += [one["targetPort"] for name in ("wxgate", "wxgate-public") for one in things["Service", name]["spec"]["ports"]]
    for name in used:
        if name not in ports:
            wrong("kubernetes", f"no port of the pods is named {name}")
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    if pod["terminationGracePeriodSeconds"] < pause + seconds(server["shutdown_grace"]):
        wrong("kubernetes/deployment.yaml", "terminationGracePeriodSeconds is less than preStop and server.shutdown_grace")
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    if not {config["store"]["run_dir"], "/etc/wxgate"} <= mounted:
        wrong("kubernetes/deployment.yaml", "store.run_dir or /etc/wxgate isn't mounted")
    names = set(things["Secret", "wxgate"]["stringData"])
    wanted = set(re.findall(r'^[a-z_]+ = "file:([^"]+)"', (folder / "wxgate.toml").read_text(), re.M)) | {"admin.token"}
    if names != wanted:
        wrong("kubernetes/secret.example.yaml", f"its names differ from wxgate.toml: {', '.join(sorted(names ^ wanted))}")

    try:
        import kubernetes_validate
    except ImportError:
        print("skipped: manifests against Kubernetes' schemas: no kubernetes-validate here (PyPI)")
        return
    for file, parts in read.items():
        for thing in parts:
            if thing["kind"] == "Kustomization":
                continue
            try:
                kubernetes_validate.validate(thing, "1.31", strict=True)
            except kubernetes_validate.ValidationError as error:
                wrong(f"kubernetes/{file}", error.message)


def left_out(mine, theirs, path=""):
    """Paths of what is in `mine` and not in `theirs`."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        pairs = [(f"{path}.{key}", value, theirs.get(key)) for key, value in mine.items()]
    elif isinstance(mine, list) and isinstance(theirs, list):
        pairs = [(f"{path}[{n}]", value, theirs[n] if n < len(theirs) else None) for n, value in enumerate(mine)]
    else:
        return [] if theirs is not None else [path.lstrip(".")]
    return [found for path, value, other in pairs for found in left_out(value, other, path)]


def known(file, read):
    """What kubectl read of a manifest is all that stands in it."""
    for path in left_out(documents(file)[0], json.loads(Path(read).read_text())):
        wrong(file, f"kubectl knows no {path}")


for part in (compose, kubernetes) if len(sys.argv) == 1 else (lambda: known(*sys.argv[1:]),):
    try:
        part()
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        # Something isn't where it was, or isn't what it was.
        wrong(part.__name__.strip("<>"), f"not as it should be: {error!r}")
for mistake in mistakes:
    print(mistake, file=sys.stderr)
sys.exit(bool(mistakes))

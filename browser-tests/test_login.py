"""Web apps on three domains log users in through one authorised domain, in a real browser."""

import html
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import harness
from harness import APPID, Gateway, free_port


class Page(BaseHTTPRequestHandler):
    """A web app: shows with what the browser came."""

    def do_GET(self) -> None:
        body = f"<!doctype html><title>app</title><p id=query>{html.escape(urlsplit(self.path).query)}</p>".encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def web_app() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, list[str]]]:
    folder = tmp_path_factory.mktemp("world")
    with ExitStack() as stack:
        wechat = stack.enter_context(harness.sandbox())
        ports = [stack.enter_context(web_app()) for _ in range(3)]
        apps = [
            f"http://shop.example.com:{ports[0]}/",
            f"http://crm.example.com:{ports[1]}/app/",
            f"http://north.branch.example.com:{ports[2]}/",
        ]
        port, admin = free_port(), free_port()
        text = harness.head(wechat.url, port, admin).replace(
            "[server]\n", f'[server]\npublic_url = "http://127.0.0.1:{port}"\n'
        )
        redirects = json.dumps([apps[0], apps[1], f"http://*.branch.example.com:{ports[2]}/"])
        text += f'[[apps]]\nappid = "{APPID}"\nkind = "official"\nsecret = "{harness.SECRET}"\noauth_redirects = {redirects}\n'
        (folder / "wxgate.toml").write_text(text)
        log = folder / "gateway.log"
        command = [harness.WXGATE, "serve", "--config", str(folder / "wxgate.toml")]
        child = stack.enter_context(harness.process(command, log))
        harness.started(child, log, lambda: harness.http("GET", f"http://127.0.0.1:{admin}/readyz")[0] == 200)
        yield Gateway(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}"), apps


@contextmanager
def browser(folder: Path, width: int = 390) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP *.example.com 127.0.0.1",
        "--proxy-server=direct://",
        f"--user-data-dir={folder}",
        f"--window-size={width},800",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        driver.set_page_load_timeout(30)
        yield driver
    finally:
        driver.quit()


def start(gateway: Gateway, back: str, state: str, path: str = "/v1/service/wx/oauth/start") -> str:
    query = f"appid={APPID}&redirect_uri={quote(back, safe='')}&response_type=code&scope=snsapi_userinfo&state={state}"
    return f"{gateway.url}{path}?{query}"


def consent(driver: webdriver.Chrome) -> None:
    """The user says yes on WeChat's page."""
    yes = WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.CSS_SELECTOR, "li a"))[0]
    yes.click()


def arrived(driver: webdriver.Chrome, back: str) -> dict[str, str]:
    """With what the browser came to the app."""
    query = WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.ID, "query"))[0].text
    assert driver.current_url.startswith(back), driver.current_url
    return {name: values[0] for name, values in parse_qs(query).items()}


def test_three_apps_on_three_domains(world: tuple[Gateway, list[str]], tmp_path: Path) -> None:
    gateway, apps = world
    paths = ["/v1/service/wx/oauth/start", "/connect/oauth2/authorize", "/v1/service/wx/oauth/start"]
    with browser(tmp_path) as driver:
        for number, (back, path) in enumerate(zip(apps, paths, strict=True)):
            driver.get(start(gateway, f"{back}login?own={number}", f"state{number}", path))
            consent(driver)
            came = arrived(driver, back)
            assert (came["own"], came["state"]) == (str(number), f"state{number}")
            assert gateway.service("getwxuserinfo", code=came["code"])["openid"]


def test_two_tabs_at_once(world: tuple[Gateway, list[str]], tmp_path: Path) -> None:
    gateway, apps = world
    with browser(tmp_path) as driver:
        tabs = [driver.current_window_handle]
        driver.get(start(gateway, apps[0], "first"))
        driver.switch_to.new_window("tab")
        tabs.append(driver.current_window_handle)
        driver.get(start(gateway, apps[1], "second"))
        for tab, back, state in ((tabs[0], apps[0], "first"), (tabs[1], apps[1], "second")):
            driver.switch_to.window(tab)
            consent(driver)
            assert arrived(driver, back)["state"] == state


def test_another_browser_and_a_second_call(world: tuple[Gateway, list[str]], tmp_path: Path) -> None:
    gateway, apps = world
    with browser(tmp_path / "one") as driver, browser(tmp_path / "two") as other:
        driver.get(start(gateway, apps[0], "mine"))
        link = WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.CSS_SELECTOR, "li a"))[0]
        # What the consent page leads to, without following it: WeChat's redirect to wxgate.
        opener = harness.urllib.request.build_opener(harness.urllib.request.ProxyHandler({}), Unfollowing())
        callback = opener.open(link.get_attribute("href")).headers["location"]
        assert callback.startswith(f"{gateway.url}/v1/service/wx/oauth/callback?")
        other.get(callback)
        assert not other.find_elements(By.ID, "query") and "example.com" not in other.current_url
        assert other.find_element(By.TAG_NAME, "body").text.strip()
        # WeChat on Android calls it twice: the second time is as good as the first.
        driver.get(callback)
        first = arrived(driver, apps[0])
        driver.get(callback)
        assert arrived(driver, apps[0]) == first and first["state"] == "mine"


class Unfollowing(harness.urllib.request.HTTPRedirectHandler):
    def http_error_302(self, req, fp, code, msg, headers):  # noqa: ANN001, ANN201
        fp.headers = headers
        return fp


@pytest.mark.parametrize("trick", ["http://evil.example.com/", "http://shop.example.com@evil.example.com/"])
def test_no_open_redirect(world: tuple[Gateway, list[str]], tmp_path: Path, trick: str) -> None:
    gateway, _ = world
    with browser(tmp_path) as driver:
        driver.get(start(gateway, trick, "x"))
        assert driver.current_url.startswith(gateway.url), "still at wxgate"
        driver.save_screenshot(str(tmp_path / "refused.png"))
        width = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0, "nothing to scroll sideways on a phone"

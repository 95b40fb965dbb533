// A fake WeChat in a test: copy this file beside your tests (and give it your package). It needs Java 11 and the program
// `wxgate`, on PATH or at WXGATE_BIN; nothing else.
//
//     static final WxgateSandbox SANDBOX = WxgateSandbox.start();   // ends with the JVM, or by close()
//
//     @Test
//     void login() {
//         try (WxgateSandbox wechat = SANDBOX.world()) {            // nobody else has it: tests may run side by side
//             config.setApiHostUrl(wechat.url());
//             wechat.control("fault", "{\"path\":\"/sns/jscode2session\",\"errcode\":-1}");
//             …
//             assertTrue(wechat.read("calls?path=/sns/jscode2session").contains("\"status\":200"));
//         }
//     }
//
// Accounts, codes that never run out and all control calls: wechat.url() in a browser, or docs/sandbox.en.md of wxgate.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One world of a sandbox; closing it ends the world, and the program if it is its first. */
public final class WxgateSandbox implements AutoCloseable {
    /** An official account that is there from the start. */
    public static final String APPID = "wx00000000000000a1";
    public static final String SECRET = "a1".repeat(16);
    /** A mini program. */
    public static final String MINI_APPID = "wx00000000000000b2";
    public static final String MINI_SECRET = "b2".repeat(16);
    public static final String CALLBACK_TOKEN = "sandboxtoken";
    public static final String AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    public static final String TEMPLATE = "sandbox-template-00000000000000000000000001";

    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private final String url;
    private final Runnable end;

    private WxgateSandbox(String url, Runnable end) {
        this.url = url;
        this.end = end;
    }

    /** Starts the program on a free port and returns when it answers. Options: "--seed", "7" and "--world", "file.json". */
    public static WxgateSandbox start(String... options) {
        String named = System.getenv("WXGATE_BIN");
        String program = named == null || named.isEmpty() ? "wxgate" : named;
        List<String> command = new ArrayList<>(List.of(program, "sandbox", "--listen", "127.0.0.1:0"));
        command.addAll(List.of(options));
        try {
            Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            Thread atExit = new Thread(process::destroy);
            Runtime.getRuntime().addShutdownHook(atExit);
            String url = urlOf(process);
            if (url == null) {
                process.destroyForcibly();
                throw new IllegalStateException(program + " sandbox did not start; it says why on standard error");
            }
            return new WxgateSandbox(url, () -> stop(process));
        } catch (IOException error) {
            throw new UncheckedIOException("is wxgate on PATH, or at WXGATE_BIN?", error);
        }
    }

    /** It says where it listens when it does. What hangs is ended, and then says nothing. */
    private static String urlOf(Process process) throws IOException {
        Timer late = new Timer(true);
        late.schedule(new TimerTask() {
            @Override
            public void run() {
                process.destroyForcibly();
            }
        }, PATIENCE.toMillis());
        var said = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = said.readLine();
        late.cancel();
        Matcher url = Pattern.compile("http://[\\d.:]+\\d").matcher(line == null ? "" : line);
        return url.find() ? url.group() : null;
    }

    private static void stop(Process process) {
        process.destroy();
        try {
            if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException interrupted) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }

    /** The base of the api, mp and open hosts. */
    public String url() {
        return url;
    }

    /** Another world of the same program, which nobody else has. */
    public WxgateSandbox world() {
        Matcher made = Pattern.compile("\"url\":\"([^\"]+)\"").matcher(control("worlds", "{}"));
        if (!made.find()) {
            throw new IllegalStateException("no url");
        }
        String world = made.group(1);
        return new WxgateSandbox(world, () -> send("DELETE", "worlds" + world.substring(world.lastIndexOf('/')), ""));
    }

    /** A control call and its answer, both JSON; what it refuses is an IllegalArgumentException. */
    public String control(String call, String json) {
        return send("POST", call, json);
    }

    /** "state", "faults", "snapshot", "calls?path=…&limit=…". */
    public String read(String call) {
        return send("GET", call, "");
    }

    /** Back to the start. */
    public void reset() {
        control("reset", "{}");
    }

    @Override
    public void close() {
        end.run();
    }

    private String send(String method, String call, String body) {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/sandbox/" + call)).timeout(PATIENCE)
            .method(method, HttpRequest.BodyPublishers.ofString(body)).build();
        try {
            HttpResponse<String> answer = CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new IllegalArgumentException(method + " /sandbox/" + call + ": " + answer.body());
            }
            return answer.body();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(interrupted);
        }
    }
}

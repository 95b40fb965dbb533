// Uploads that are refused while they are under way, with Java's own client; see ../test_uploads.py.

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;

public final class Upload {
    public static void main(String[] arguments) {
        JsonObject ask = new Gson().fromJson(arguments[0], JsonObject.class);
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        byte[] bytes = new byte[ask.get("size").getAsInt()];
        HttpRequest.BodyPublisher body = ask.get("chunked").getAsBoolean()
            ? HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(bytes))
            : HttpRequest.BodyPublishers.ofByteArray(bytes);
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(ask.get("url").getAsString())).POST(body);
        JsonObject headers = ask.getAsJsonObject("headers");
        headers.keySet().forEach(name -> request.header(name, headers.get(name).getAsString()));
        List<String> said = new ArrayList<>();
        for (int n = 0; n < ask.get("times").getAsInt(); n++) {
            try {
                said.add(client.send(request.build(), HttpResponse.BodyHandlers.ofString()).body());
            } catch (Exception error) {
                said.add(error.toString());
            }
        }
        System.out.println(new Gson().toJson(said));
    }
}

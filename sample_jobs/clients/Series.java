// Print step and value of every point of a scalar: java Series.java JOB TAG. Needs Java 17 and $GPUQ_SOCKET.
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;

class Series {
    public static void main(String[] args) throws IOException {
        String target = "/v1/jobs/" + args[0] + "/curve?columns=10000&tag=" + URLEncoder.encode(args[1], StandardCharsets.UTF_8);
        try (var channel = SocketChannel.open(UnixDomainSocketAddress.of(System.getenv("GPUQ_SOCKET")))) {
            var request = "GET " + target + " HTTP/1.1\r\nHost: gpuq\r\nConnection: close\r\n\r\n";
            channel.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.UTF_8)));
            var answer = new String(Channels.newInputStream(channel).readAllBytes(), StandardCharsets.UTF_8);
            String[] steps = numbers(answer, "steps"), values = numbers(answer, "last");
            for (int i = 0; i < steps.length; i++) System.out.println(steps[i] + " " + values[i]);
        }
    }

    private static String[] numbers(String json, String name) {  // a list of numbers in flat JSON needs no parser
        int begin = json.indexOf("\"" + name + "\":[") + name.length() + 4;
        return json.substring(begin, json.indexOf(']', begin)).split(",");
    }
}

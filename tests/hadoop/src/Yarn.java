import java.io.BufferedReader;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.nodemanager.NodeManager;
import org.apache.hadoop.yarn.server.resourcemanager.ResourceManager;
import org.apache.hadoop.yarn.util.resource.ResourceUtils;

/**
 * A real YARN in one JVM, for tests: a ResourceManager and NodeManagers on free ports of loopback.
 *
 * <p>{@code Yarn FOLDER GPUS...}: a NodeManager for each number, with so many GPUs, of which "none" knows nothing. Makes
 * everything in FOLDER, writes the clients' configuration to FOLDER/conf, and says "ready" once all nodes are there. Then
 * each line on standard input is a command, answered by "done" or "failed WHY". The end of standard input ends it.
 */
public final class Yarn {
  private static final String GPU = "yarn.io/gpu";

  private final File folder;
  private final String[] gpus;
  private final Configuration common = new YarnConfiguration();
  private final List<NodeManager> nodes = new ArrayList<>();
  private ResourceManager manager;

  private Yarn(File folder, String[] gpus) {
    this.folder = folder;
    this.gpus = gpus;
  }

  public static void main(String[] args) throws Exception {
    String[] gpus = java.util.Arrays.copyOfRange(args, 1, args.length);
    Yarn yarn = new Yarn(new File(args[0]).getAbsoluteFile(), gpus);
    yarn.start();
    System.out.println("ready");
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      try {
        yarn.carryOut(line.trim().split(" "));
        System.out.println("done");
      } catch (Exception error) {
        error.printStackTrace();
        System.out.println("failed " + error);
      }
    }
    for (NodeManager node : yarn.nodes) {
      node.stop(); // which ends what runs on it
    }
    Runtime.getRuntime().halt(0);
  }

  private void start() throws Exception {
    DefaultMetricsSystem.setMiniClusterMode(true);
    configure();
    write(common, new File(folder, "conf/core-site.xml"));
    write(common, new File(folder, "conf/yarn-site.xml"));
    if (hasGpus()) {
      ResourceUtils.resetResourceTypes(common);
    }
    manager = new ResourceManager();
    manager.init(new YarnConfiguration(common));
    manager.start();
    for (int number = 0; number < gpus.length; number++) {
      startNode(number);
    }
    while (manager.getResourceScheduler().getNumClusterNodes() < gpus.length) {
      Thread.sleep(20);
    }
  }

  private boolean hasGpus() {
    return !java.util.Arrays.asList(gpus).contains("none");
  }

  /** What everybody knows: servers and clients. */
  private void configure() throws IOException {
    Configuration conf = common;
    conf.set("fs.defaultFS", "file:///");
    conf.set("hadoop.tmp.dir", new File(folder, "tmp").getPath());
    conf.set("yarn.resourcemanager.hostname", "127.0.0.1");
    for (String server : new String[] {"", ".scheduler", ".resource-tracker", ".admin", ".webapp"}) {
      conf.set("yarn.resourcemanager" + server + ".address", "127.0.0.1:" + freePort());
    }
    conf.set("yarn.resourcemanager.nodes.heartbeat-interval-ms", "100");
    conf.set("yarn.nm.liveness-monitor.expiry-interval-ms", "10000");
    conf.set("yarn.resourcemanager.scheduler.class",
        "org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity.CapacityScheduler");
    conf.set("yarn.scheduler.minimum-allocation-mb", "64");
    conf.set("yarn.scheduler.capacity.root.queues", "default,training");
    conf.set("yarn.scheduler.capacity.root.default.capacity", "50");
    conf.set("yarn.scheduler.capacity.root.training.capacity", "50");
    conf.set("yarn.scheduler.capacity.root.default.maximum-capacity", "100");
    conf.set("yarn.scheduler.capacity.root.training.maximum-capacity", "100");
    conf.set("yarn.scheduler.capacity.root.training.user-limit-factor", "10");
    conf.set("yarn.scheduler.capacity.root.default.user-limit-factor", "10");
    conf.set("yarn.scheduler.capacity.maximum-am-resource-percent", "1.0");
    conf.set("yarn.scheduler.capacity.resource-calculator",
        "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator");
    if (hasGpus()) {
      conf.set("yarn.resource-types", GPU);
    }
  }

  private void startNode(int number) {
    Configuration conf = new YarnConfiguration(common);
    File own = new File(folder, "node-" + number);
    for (String server : new String[] {"", ".localizer", ".webapp", ".collector-service"}) {
      conf.set("yarn.nodemanager" + server + ".address", "127.0.0.1:0");
    }
    conf.set("yarn.nodemanager.local-dirs", new File(own, "local").getPath());
    conf.set("yarn.nodemanager.log-dirs", new File(own, "logs").getPath());
    conf.set("yarn.nodemanager.resource.memory-mb", "32768");
    conf.set("yarn.nodemanager.resource.cpu-vcores", "32");
    conf.set("yarn.nodemanager.pmem-check-enabled", System.getProperty("checks-memory", "false"));
    conf.set("yarn.nodemanager.container-monitor.interval-ms", "500");
    conf.set("yarn.nodemanager.resource.memory.enforced", "false");  // true leaves it to cgroups that are not there
    conf.set("yarn.nodemanager.vmem-check-enabled", "false");
    conf.set("yarn.nodemanager.disk-health-checker.enable", "false");
    if (hasGpus()) {
      conf.set("yarn.nodemanager.resource-type." + GPU, gpus[number]);
    }
    NodeManager node = new NodeManager();
    node.init(conf);
    node.start();
    nodes.add(node);
  }

  private void carryOut(String[] words) throws Exception {
    switch (words[0]) {
      case "stop-node" -> nodes.remove(Integer.parseInt(words[1])).stop();
      default -> throw new IllegalArgumentException(String.join(" ", words));
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      return socket.getLocalPort();
    }
  }

  private static void write(Configuration conf, File file) throws IOException {
    file.getParentFile().mkdirs();
    Configuration set = new Configuration(false);
    for (var each : conf) {
      String[] from = conf.getPropertySources(each.getKey());
      if (from != null && from[from.length - 1].equals("programmatically")) {
        set.set(each.getKey(), each.getValue());
      }
    }
    try (FileOutputStream stream = new FileOutputStream(file)) {
      set.writeXml(stream);
    }
  }
}

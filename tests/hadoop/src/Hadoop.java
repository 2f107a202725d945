import java.io.BufferedReader;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.commons.io.FileUtils;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.ha.HAServiceProtocol.RequestSource;
import org.apache.hadoop.ha.HAServiceProtocol.StateChangeRequestInfo;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.protocol.HdfsConstants.SafeModeAction;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;
import org.apache.hadoop.security.UserGroupInformation;

/**
 * A real HDFS in one JVM, for tests: one NameNode or a pair of them, and one DataNode, on free ports of loopback.
 *
 * <p>{@code Hadoop FOLDER NAME_NODES [kerberos]}: makes everything in FOLDER, writes the clients' configuration to
 * FOLDER/conf, and says "ready" on standard output. With "kerberos" all of it wants tickets, which a KDC in the same JVM
 * gives out: FOLDER/krb5.conf says where it is, FOLDER/gpuq.keytab is of the principal gpuq. Then each line on standard input is a command, answered by "done" or "failed WHY".
 * The end of standard input ends it.
 */
public final class Hadoop {
  private static final String SERVICE = "tests";

  private final File folder;
  private final int count;
  private final boolean isSecure;
  private final String host;
  private final Configuration common = new HdfsConfiguration();
  private final List<NameNode> nameNodes = new ArrayList<>();
  private final Map<String, FSDataOutputStream> writers = new HashMap<>();
  private DataNode dataNode;
  private int active;

  private Hadoop(File folder, int count, boolean isSecure) {
    this.folder = folder;
    this.count = count;
    this.isSecure = isSecure;
    this.host = isSecure ? "localhost" : "127.0.0.1"; // tickets are for names
  }

  public static void main(String[] args) throws Exception {
    Hadoop hadoop = new Hadoop(new File(args[0]).getAbsoluteFile(), Integer.parseInt(args[1]), args.length > 2);
    hadoop.start();
    System.out.println("ready");
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      try {
        hadoop.carryOut(line.trim().split(" "));
        System.out.println("done");
      } catch (Exception error) {
        error.printStackTrace();
        System.out.println("failed " + error);
      }
    }
    Runtime.getRuntime().halt(0);
  }

  private void start() throws Exception {
    DefaultMetricsSystem.setMiniClusterMode(true);
    configure();
    if (isSecure) {
      Kerberos.secure(folder, common);
      UserGroupInformation.setConfiguration(common);
    }
    write(common, new File(folder, "conf/core-site.xml"));
    write(common, new File(folder, "conf/hdfs-site.xml"));
    NameNode.format(ofNameNode(0));
    if (count > 1) {
      NameNode.initializeSharedEdits(ofNameNode(0));
    }
    for (int number = 1; number < count; number++) {
      FileUtils.copyDirectory(new File(folder, "name-0"), new File(folder, "name-" + number));
    }
    for (int number = 0; number < count; number++) {
      startNameNode(number);
    }
    startDataNode();
  }

  /** What everybody knows: servers and clients. Addresses are chosen here, so that who starts again has his own. */
  private void configure() throws IOException {
    Configuration conf = common;
    conf.set("hadoop.tmp.dir", new File(folder, "tmp").getPath());
    conf.set("dfs.replication", "1");
    conf.set("dfs.heartbeat.interval", "1");
    conf.set("dfs.namenode.heartbeat.recheck-interval", "60000");
    conf.set("dfs.namenode.safemode.extension", "0");
    conf.set("dfs.namenode.edits.noeditlogchannelflush", "true");
    conf.set("dfs.namenode.fs-limits.min-block-size", "0");
    conf.set("dfs.permissions.superusergroup", "supergroup");
    conf.set("dfs.datanode.data.dir", new File(folder, "data").toURI().toString());
    conf.set("dfs.datanode.hostname", host);
    conf.set("dfs.datanode.address", host + ":" + freePort());
    conf.set("dfs.datanode.http.address", host + ":" + freePort());
    conf.set("dfs.datanode.ipc.address", host + ":" + freePort());
    if (count == 1) {
      String rpc = host + ":" + freePort();
      conf.set("fs.defaultFS", "hdfs://" + rpc);
      conf.set("dfs.namenode.rpc-address", rpc);
      conf.set("dfs.namenode.http-address", host + ":" + freePort());
      conf.set("dfs.namenode.name.dir", new File(folder, "name-0").toURI().toString());
      return;
    }
    conf.set("fs.defaultFS", "hdfs://" + SERVICE);
    conf.set("dfs.nameservices", SERVICE);
    conf.set(
        "dfs.client.failover.proxy.provider." + SERVICE,
        "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider");
    conf.set("dfs.namenode.shared.edits.dir", new File(folder, "edits").toURI().toString());
    conf.set("dfs.ha.tail-edits.period", "1");
    conf.set("dfs.ha.fencing.methods", "shell(/bin/true)");
    List<String> names = new ArrayList<>();
    for (int number = 0; number < count; number++) {
      String name = "nn" + number;
      names.add(name);
      conf.set("dfs.namenode.rpc-address." + SERVICE + "." + name, host + ":" + freePort());
      conf.set("dfs.namenode.http-address." + SERVICE + "." + name, host + ":" + freePort());
    }
    conf.set("dfs.ha.namenodes." + SERVICE, String.join(",", names));
  }

  private Configuration ofNameNode(int number) {
    Configuration conf = new HdfsConfiguration(common);
    if (count > 1) {
      conf.set("dfs.nameservice.id", SERVICE);
      conf.set("dfs.ha.namenode.id", "nn" + number);
      conf.set("dfs.namenode.name.dir", new File(folder, "name-" + number).toURI().toString());
    }
    return conf;
  }

  private void startNameNode(int number) throws Exception {
    NameNode started = NameNode.createNameNode(new String[] {}, ofNameNode(number));
    if (number < nameNodes.size()) {
      nameNodes.set(number, started);
    } else {
      nameNodes.add(started);
    }
    if (count > 1 && number == active) {
      activate(number);
    }
  }

  private void activate(int number) throws IOException {
    nameNodes.get(number).getRpcServer().transitionToActive(new StateChangeRequestInfo(RequestSource.REQUEST_BY_USER));
    active = number;
  }

  private void startDataNode() throws Exception {
    dataNode = DataNode.createDataNode(new String[] {}, new HdfsConfiguration(common));
    while (!dataNode.isDatanodeFullyStarted(true) || nameNodes.get(active).getNamesystem().getNumLiveDataNodes() == 0) {
      Thread.sleep(20);
    }
  }

  /** Writes as most of Hadoop does: flushed, so that it can be read, with the length at the NameNode left as it was. */
  private void write(String path, String base64) throws IOException {
    if (!writers.containsKey(path)) {
      writers.put(path, FileSystem.newInstance(common).create(new org.apache.hadoop.fs.Path(path), true));
    }
    writers.get(path).write(Base64.getDecoder().decode(base64));
    writers.get(path).hflush();
  }

  private void carryOut(String[] words) throws Exception {
    if (words[0].equals("write")) {
      write(words[1], words[2]);
      return;
    }
    if (words[0].equals("close")) {
      writers.remove(words[1]).close();
      return;
    }
    if (words[0].equals("mkdir")) {
      var path = new org.apache.hadoop.fs.Path(words[1]);
      var everybodys = new FsPermission((short) 0777);
      FileSystem.get(common).mkdirs(path);
      FileSystem.get(common).setPermission(path, everybodys);
      return;
    }
    switch (String.join(" ", words)) {
      case "stop-datanode" -> dataNode.shutdown();
      case "start-datanode" -> startDataNode();
      case "restart-datanode" -> {
        dataNode.shutdown();
        startDataNode();
      }
      case "enter-safe-mode" -> nameNodes.get(active).getRpcServer().setSafeMode(SafeModeAction.SAFEMODE_ENTER, false);
      case "leave-safe-mode" -> nameNodes.get(active).getRpcServer().setSafeMode(SafeModeAction.SAFEMODE_LEAVE, false);
      case "stop-namenode" -> nameNodes.get(active).stop();
      case "start-namenode" -> startNameNode(active);
      case "fail-over" -> failOver();
      default -> throw new IllegalArgumentException(String.join(" ", words));
    }
  }

  /** The active NameNode dies without a word, the next one takes over, and the dead one comes back as a standby. */
  private void failOver() throws Exception {
    int old = active;
    nameNodes.get(old).stop();
    activate((old + 1) % count);
    startNameNode(old);
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      return socket.getLocalPort();
    }
  }

  private static void write(Configuration conf, File file) throws IOException {
    Files.createDirectories(file.toPath().getParent());
    Configuration set = new Configuration(false);
    for (var each : conf) {
      String[] from = conf.getPropertySources(each.getKey());
      if (from != null && from[from.length - 1].equals("programmatically")) {
        set.set(each.getKey(), each.getValue());
      }
    }
    Path draft = file.toPath().resolveSibling(file.getName() + ".draft");
    try (FileOutputStream stream = new FileOutputStream(draft.toFile())) {
      set.writeXml(stream);
    }
    Files.move(draft, file.toPath());
  }
}

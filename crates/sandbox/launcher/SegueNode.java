import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import org.codelibs.opensearch.runner.node.OpenSearchRunnerNode;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/**
 * One OpenSearch node in this process.
 *
 * <p>Arguments are node settings, {@code key=value}. Two system properties bound its life:
 * {@code segue.sandbox.home} (the node leaves when that folder is gone) and
 * {@code segue.sandbox.life} (seconds after which it leaves in any case), so that a sandbox
 * whose owner forgot about it does not run for ever.
 */
public final class SegueNode {
    private static final long LOOK_SECONDS = 5;

    /**
     * The modules of a default distribution that these jars carry, without the ending of the
     * class name: it is {@code Plugin} in 2.x and {@code ModulePlugin} in 3.x.
     */
    private static final String[] MODULES = {
        "org.opensearch.search.aggregations.matrix.MatrixAggregation",
        "org.opensearch.analysis.common.CommonAnalysis",
        "org.opensearch.geo.Geo",
        "org.opensearch.ingest.common.IngestCommon",
        "org.opensearch.ingest.useragent.IngestUserAgent",
        "org.opensearch.script.expression.Expression",
        "org.opensearch.script.mustache.Mustache",
        "org.opensearch.painless.Painless",
        "org.opensearch.index.mapper.MapperExtras",
        "org.opensearch.join.ParentJoin",
        "org.opensearch.percolator.Percolator",
        "org.opensearch.index.rankeval.RankEval",
        "org.opensearch.index.reindex.Reindex",
        "org.opensearch.plugin.repository.url.URLRepository",
        "org.opensearch.transport.Netty4",
    };

    private SegueNode() {}

    public static void main(String[] args) {
        try {
            run(args);
        } catch (Throwable failure) {
            // Netty and Lucene leave threads behind that would keep a failed node alive.
            failure.printStackTrace();
            System.err.flush();
            Runtime.getRuntime().halt(1);
        }
    }

    private static void run(String[] args) throws Exception {
        Environment environment = environment(args);
        LogConfigurator.registerErrorListener();
        LogConfigurator.configure(environment);
        Node node = new OpenSearchRunnerNode(environment, modules());
        CountDownLatch stop = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, stop), "close"));
        node.start();
        awaitEnd(stop);
        System.exit(0);
    }

    private static Environment environment(String[] args) {
        Settings.Builder settings = Settings.builder();
        for (String arg : args) {
            int equals = arg.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("not a key=value setting: " + arg);
            }
            settings.put(arg.substring(0, equals), arg.substring(equals + 1));
        }
        Path config = Path.of(System.getProperty("segue.sandbox.config"));
        return InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Collections.emptyMap(), config, () -> "node");
    }

    private static List<Class<? extends Plugin>> modules() throws ClassNotFoundException {
        List<Class<? extends Plugin>> found = new ArrayList<>();
        for (String name : MODULES) {
            found.add(module(name));
        }
        return found;
    }

    private static Class<? extends Plugin> module(String name) throws ClassNotFoundException {
        try {
            return Class.forName(name + "ModulePlugin").asSubclass(Plugin.class);
        } catch (ClassNotFoundException olderName) {
            return Class.forName(name + "Plugin").asSubclass(Plugin.class);
        }
    }

    private static void close(Node node, CountDownLatch stop) {
        stop.countDown();
        try {
            node.close();
            node.awaitClose(10, TimeUnit.SECONDS);
        } catch (IOException | InterruptedException failure) {
            failure.printStackTrace();
        }
    }

    private static void awaitEnd(CountDownLatch stop) throws InterruptedException {
        Path home = Path.of(System.getProperty("segue.sandbox.home"));
        long life = Long.parseLong(System.getProperty("segue.sandbox.life"));
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(life);
        while (!stop.await(LOOK_SECONDS, TimeUnit.SECONDS)) {
            if (System.nanoTime() - end > 0) {
                System.err.println("lived its " + life + " seconds, leaving");
                return;
            }
            if (!Files.isDirectory(home)) {
                System.err.println(home + " is gone, leaving");
                return;
            }
        }
    }
}

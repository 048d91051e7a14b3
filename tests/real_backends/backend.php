<?php
// PHP's built-in server, answering by path; it closes each connection after its answer.
header('X-Port: ' . $_SERVER['REMOTE_PORT']);
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/sized') {
    $body = str_repeat('sized', 1000);
    header('Content-Length: ' . strlen($body));
    echo $body;
} elseif ($path === '/until-close') {
    echo 'until ';
    flush();
    echo 'close';
} elseif ($path === '/echo') {
    echo file_get_contents('php://input');
} else {
    $status = (int) substr($path, 1);
    http_response_code($status);
    if ($status >= 400) {
        echo 'failed';
    }
}

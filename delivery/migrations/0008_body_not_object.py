from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0007_lane_free'),
    ]

    operations = [
        migrations.AlterField(
            model_name='deadletter',
            name='cause',
            field=models.CharField(choices=[('exhausted', 'Retries exhausted'), ('responded_410', 'The endpoint responded 410 Gone'), ('expired', 'Expired: the endpoint was paused or disabled for seven days'), ('crashed_worker', 'Crashed its worker repeatedly'), ('transformation_failed', 'Transformation failed'), ('body_not_object', 'The credential has no place in the body'), ('endpoint_deleted', 'The endpoint was deleted'), ('set_aside', 'Set aside on request')], help_text='Why the delivery failed permanently.', max_length=24),
        ),
    ]
